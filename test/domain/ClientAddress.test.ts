import { isIP } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { clientAddress, limitKey } from "../../src/domain/ClientAddress.ts"

const behind = (proxies: number, forwardedFor: string | undefined) =>
  clientAddress({ socket: "10.0.0.1", forwardedFor, proxies })
const socketOf = (socket: string | undefined) => clientAddress({ socket, forwardedFor: undefined, proxies: 0 })

const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const Quad = Schema.Tuple([Byte, Byte, Byte, Byte])
const Group = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff }))
const Network = Schema.Tuple([Group, Group, Group, Group])
const hex = (groups: ReadonlyArray<number>) => groups.map((group) => group.toString(16)).join(":")
const paddedHex = (groups: ReadonlyArray<number>) =>
  groups.map((group) => group.toString(16).padStart(4, "0")).join(":")

describe("clientAddress", () => {
  it("is the socket's, whatever the header says, without trusted proxies", () => {
    assert.strictEqual(behind(0, "1.1.1.1, 2.2.2.2"), "10.0.0.1")
  })

  it("is the n-th from the right behind n proxies", () => {
    const header = "6.6.6.6, 1.1.1.1,2.2.2.2 , 3.3.3.3"
    assert.strictEqual(behind(1, header), "3.3.3.3")
    assert.strictEqual(behind(2, header), "2.2.2.2")
    assert.strictEqual(behind(3, header), "1.1.1.1")
  })

  it("is the socket's when the header is absent, too short or no address", () => {
    for (const header of [undefined, "", " ", "1.1.1.1", "unknown, 1.1.1.1", "999.1.1.1, 1.1.1.1", ", 1.1.1.1"]) {
      assert.strictEqual(behind(2, header), "10.0.0.1", header)
    }
  })

  it("comes without port, brackets, zone, IPv4-mapping and capitals", () => {
    const spellings = [
      ["1.2.3.4:5678", "1.2.3.4"],
      [" 1.2.3.4 ", "1.2.3.4"],
      ["::ffff:1.2.3.4", "1.2.3.4"],
      ["[::FFFF:1.2.3.4]:80", "1.2.3.4"],
      ["[2001:DB8::1]:443", "2001:db8::1"],
      ["[2001:db8::1]", "2001:db8::1"],
      ["fe80::1%eth0", "fe80::1"]
    ] as const
    for (const [text, address] of spellings) {
      assert.strictEqual(behind(1, text), address)
      assert.strictEqual(socketOf(text), address)
    }
  })

  it("is unknown when not even the socket has one", () => {
    for (const socket of [undefined, "", "/run/x.sock", "localhost"]) assert.strictEqual(socketOf(socket), "unknown")
  })

  it("takes no garbage for an address", () => {
    const garbage = [
      "1.2.3",
      "1.2.3.4.5",
      "256.1.1.1",
      ":",
      ":::",
      "1:::2",
      "1::2::3",
      "1::2:",
      ":1::2",
      "12345::",
      "1:2:3"
    ]
    for (const text of [...garbage, "1:2:3:4:5:6:7:8:9", "g::1", "[1.2.3.4", "1.2.3.4:", "1.2.3.4:http"]) {
      assert.strictEqual(socketOf(text), "unknown", text)
    }
  })

  const AddressLike = Schema.String.check(Schema.isPattern(/^[0-9a-f:.]{1,12}$/))
  it.prop("is an address or unknown, whatever comes", { text: AddressLike, any: Schema.String }, ({ any, text }) => {
    for (const socket of [text, any, `::${text}`]) {
      const address = socketOf(socket)
      assert.isTrue(address === "unknown" || isIP(address) !== 0, socket)
    }
  })

  it.prop(
    "can't be changed by what a client writes to the header",
    { written: Schema.String, client: Quad, proxies: Schema.Array(Quad) },
    ({ client, proxies, written }) => {
      const entries = [client, ...proxies].map((address) => address.join("."))
      assert.strictEqual(behind(entries.length, `${written}, ${entries.join(", ")}`), client.join("."))
      assert.strictEqual(behind(entries.length, `${written},${entries.join(",")}`), client.join("."))
    }
  )
})

describe("limitKey", () => {
  it("is an IPv4 address as it is, and a client without one is one client", () => {
    assert.strictEqual(limitKey("1.2.3.4"), "1.2.3.4")
    assert.strictEqual(limitKey("unknown"), "unknown")
  })

  it("is the /64 of an IPv6 address", () => {
    assert.strictEqual(limitKey("2001:db8:1:2:3:4:5:6"), limitKey("2001:db8:1:2::9"))
    assert.notStrictEqual(limitKey("2001:db8:1:2::9"), limitKey("2001:db8:1:3::9"))
    assert.strictEqual(limitKey("2001:db8::1"), limitKey("2001:db8:0:0:ffff::"))
    assert.strictEqual(limitKey("::1"), limitKey("::2"))
  })

  it.prop(
    "is one key for a whole /64, however it is spelled",
    { network: Network, one: Network, other: Network },
    ({ network, one, other }) => {
      const key = limitKey(`${hex(network)}:${hex(one)}`)
      assert.strictEqual(limitKey(`${hex(network)}:${hex(other)}`), key)
      assert.strictEqual(limitKey(`${hex(network)}::1`), key)
      assert.strictEqual(limitKey(`${paddedHex(network)}:${paddedHex(one)}`), key)
    }
  )
})
