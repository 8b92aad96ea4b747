import MarketModel
import Primitives
import ServiceRuntime
import Synchronization
import TapeProtocol
import TapeTransport
import Testing

@Suite("The proof of a request for an action") struct ActionKeyTests {
    private static let secret = String(repeating: "k", count: ActionKey.bytesMin)
    private static let request = ActionRequest(
        number: 7, carrier: 8, asked: Timestamp(nanoseconds: 9), person: "alice", origin: "::1",
        reason: "é", words: ["member", "drain", "w-1"])
    private static let subject = "md.act"

    private static func key(_ secret: String = secret) throws -> ActionKey {
        try #require(ActionKey(secret))
    }

    private static func refusal(
        _ bytes: [UInt8], of subject: String = subject, by secret: String = secret
    ) throws -> ActionKey.Refusal? {
        let key = try key(secret)
        return #expect(throws: ActionKey.Refusal.self) { try key.open(bytes, of: subject) }
    }

    @Test("what the key has sealed, it opens")
    func roundTrip() throws {
        let sealed = try Self.key().seal(Self.request, for: Self.subject)
        #expect(try Self.key().open(sealed, of: Self.subject) == Self.request)
        #expect(String(decoding: sealed.prefix(64), as: UTF8.self).contains(/^[0-9a-f]{64}$/))
        #expect(sealed.dropFirst(64) == Self.request.json[...])
    }

    /// A side whose file has the new secret from some moment on.
    private final class Side: Sendable {
        private let place = Mutex(ActionKeyTests.secret)
        private let time = Mutex(MonotonicTime.at(0))

        func key() throws -> ActionKey {
            let first = ActionKeyTests.secret
            let renewable = RenewableSecret(first) { [self] in place.withLock { $0 } }
            let key = ActionKey(first, renewable: renewable) { [self] in time.withLock { $0 } }
            return try #require(key)
        }

        func renew() {
            place.withLock { $0 = String(repeating: "n", count: ActionKey.bytesMin) }
        }

        func pass(_ seconds: Int64) { time.withLock { $0 += seconds * 1_000_000_000 } }
    }

    @Test(
        "a new secret counts on both sides, whichever has it first, two minutes before the other",
        arguments: [true, false])
    func renewed(isCockpitFirst: Bool) throws {
        let sides = (cockpit: Side(), carrier: Side())
        let (cockpit, carrier) = (try sides.cockpit.key(), try sides.carrier.key())
        let before = cockpit.seal(Self.request, for: Self.subject)
        #expect(try carrier.open(before, of: Self.subject) == Self.request)
        var changes = 0
        var last = before
        // A look every 15 s, as the cockpit asks who carries actions out.
        for second in stride(from: Int64(0), to: 600, by: 15) {
            if second == 0 { (isCockpitFirst ? sides.cockpit : sides.carrier).renew() }
            if second == 120 { (isCockpitFirst ? sides.carrier : sides.cockpit).renew() }
            let sealed = cockpit.seal(Self.request, for: Self.subject)
            #expect(try carrier.open(sealed, of: Self.subject) == Self.request, "\(second)")
            if sealed != last { changes += 1 }
            last = sealed
            sides.cockpit.pass(15)
            sides.carrier.pass(15)
        }
        #expect(changes == 1 && last != before)
        #expect(throws: ActionKey.Refusal.self) { try carrier.open(before, of: Self.subject) }
    }

    @Test("a secret of before that no process used for long proves nothing")
    func unused() throws {
        let side = Side()
        let (cockpit, carrier) = (try Side().key(), try side.key())
        let before = cockpit.seal(Self.request, for: Self.subject)
        side.renew()
        side.pass(400)
        #expect(throws: ActionKey.Refusal.self) { try carrier.open(before, of: Self.subject) }
    }

    @Test("a changed person, time, number, process, command or reason is not proven")
    func changed() throws {
        let sealed = try Self.key().seal(Self.request, for: Self.subject)
        var forged: [ActionRequest] = Array(repeating: Self.request, count: 7)
        forged[0].person = "bob"
        forged[1].asked = Timestamp(nanoseconds: 10)
        forged[2].number = 70
        forged[3].carrier = 80
        forged[4].words = ["member", "drain", "w-2"]
        forged[5].reason = ""
        forged[6].origin = "::2"
        for request in forged {
            #expect(try Self.refusal(Array(sealed.prefix(64)) + request.json) == .unproven)
        }
    }

    @Test("no bit of it can change, and nothing can be left out or added")
    func bits() throws {
        let sealed = try Self.key().seal(Self.request, for: Self.subject)
        for place in sealed.indices {
            var bytes = sealed
            bytes[place] ^= 1
            #expect(try Self.refusal(bytes) == .unproven, "\(place)")
            #expect(try Self.refusal(Array(sealed.prefix(place))) == .unproven, "\(place)")
        }
        #expect(try Self.refusal(sealed + [0x20]) == .unproven)
        #expect(try Self.refusal(Self.request.json) == .unproven)
    }

    @Test("another key, and another subject, prove nothing")
    func others() throws {
        let sealed = try Self.key().seal(Self.request, for: Self.subject)
        #expect(try Self.refusal(sealed, by: Self.secret + "k") == .unproven)
        #expect(try Self.refusal(sealed, of: "acme.act") == .unproven)
    }

    @Test("what is too large is not read, and what is proven may still be no request")
    func unreadable() throws {
        let large = ActionRequest(words: [String(repeating: "x", count: ActionRequest.bytesMax)])
        let sealed = try Self.key().seal(large, for: Self.subject)
        #expect(try Self.refusal(sealed) == .large)
        let many = ActionRequest(
            words: Array(repeating: "x", count: ActionRequest.wordsMax + 1))
        let unread = try Self.refusal(Self.key().seal(many, for: Self.subject))
        #expect(unread?.description.hasPrefix("it cannot be read: its words") == true)
    }

    @Test("a short key is none", arguments: [0, 1, 31, 32])
    func short(count: Int) {
        let isKey = count >= ActionKey.bytesMin
        #expect((ActionKey(String(repeating: "k", count: count)) != nil) == isKey)
    }
}
