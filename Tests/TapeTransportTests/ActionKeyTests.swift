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

    @Test("a new secret counts at the next request, on both sides")
    func renewed() throws {
        let next = String(repeating: "n", count: ActionKey.bytesMin)
        let place = Mutex(Self.secret)
        func key() throws -> ActionKey {
            let secret = RenewableSecret(Self.secret) { place.withLock { $0 } }
            return try #require(ActionKey(Self.secret, renewable: secret))
        }
        let (cockpit, carrier) = (try key(), try key())
        let before = cockpit.seal(Self.request, for: Self.subject)
        #expect(try carrier.open(before, of: Self.subject) == Self.request)
        place.withLock { $0 = next }
        let after = cockpit.seal(Self.request, for: Self.subject)
        #expect(after != before)
        #expect(try carrier.open(after, of: Self.subject) == Self.request)
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
