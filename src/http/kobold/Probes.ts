/** An answer that is always the same: JSON, or nothing at all of another type. */
export interface Probe {
  readonly methods: ReadonlyArray<"GET" | "HEAD" | "POST">
  readonly status?: number
  readonly body?: unknown
  readonly contentType?: string
}

const got = (body: unknown) => ({ methods: ["GET", "HEAD"], body }) as const
const posted = (body: unknown, status = 200) => ({ methods: ["POST"], body, status }) as const
const nothing = (contentType: string) => ({ methods: ["POST"], contentType }) as const

/**
 * What clients of KoboldCpp look for before they offer it to their users, and what a KoboldCpp says that was started
 * without it: no stories, pictures, speech, searches, shared sessions, saved games or administration.
 */
export const probes = {
  "/api/extra/preloadstory": got({}),
  "/api/v1/config/soft_prompt": got({ value: "" }),
  "/api/latest/config/soft_prompt": got({ value: "" }),
  "/api/v1/config/soft_prompts_list": got({ values: [] }),
  "/api/latest/config/soft_prompts_list": got({ values: [] }),
  "/api/extra/last_logprobs": { methods: ["GET", "HEAD", "POST"], body: { logprobs: null } },
  "/api/extra/websearch": posted([]),
  "/api/extra/transcribe": posted({ text: "" }),
  "/api/extra/tts": nothing("audio/wav"),
  "/api/extra/multiplayer/status": posted({ error: "Multiplayer not enabled!" }),
  "/api/extra/multiplayer/getstory": nothing("application/json"),
  "/api/extra/multiplayer/setstory": posted({ success: false, error: "Multiplayer not enabled!" }, 400),
  // Without a file for them KoboldCpp closes the connection here, where an empty list is meant.
  "/api/extra/data/list": posted([]),
  "/api/extra/data/load": posted({ success: false, data: null }),
  "/api/extra/data/save": posted({ success: false, error: "SaveDataFile not enabled!" }, 400),
  "/api/admin/list_options": got([]),
  "/api/admin/reload_config": posted({ success: false }),
  "/api/admin/check_state": posted({ success: false, old_states: [], new_state_size: 0, new_tokens: 0 }),
  "/api/admin/load_state": posted({ success: false, new_tokens: 0 }),
  "/api/admin/save_state": posted({ success: false, new_state_size: 0, new_tokens: 0 }),
  "/api/admin/clear_state": posted({ success: false }),
  "/sdapi/v1/sd-models": got([]),
  "/sdapi/v1/options": got({ samples_format: "png", sd_model_checkpoint: "inactive" }),
  "/sdapi/v1/samplers": got([]),
  "/sdapi/v1/upscalers": got([]),
  "/sdapi/v1/latent-upscale-modes": got([])
} as const satisfies Record<`/${string}`, Probe>

/** The methods of each. */
export const probeMethods = Object.fromEntries(
  Object.entries<Probe>(probes).map(([path, { methods }]) => [path, methods])
) as { readonly [K in keyof typeof probes]: ReadonlyArray<string> }
