import IBEngine
import Primitives
import ServiceRuntime
import Testing

@testable import IBKRProvider

@Suite("Parts of the broker's provider")
struct PartsTests {
    @Test("wishes about instruments take the place of earlier ones; the wish to stop stays")
    func inbox() throws {
        let inbox = try OrderInbox()
        inbox.follow(begun: [1, 2], ended: [])
        inbox.follow(begun: [2, 3], ended: [1])
        inbox.follow(begun: [1], ended: [])
        let first = inbox.take()
        // 1 was ended and is wanted again: it begins anew.
        #expect(first.begun == [2, 3, 1] && first.ended == [1] && !first.isStopping)
        #expect(inbox.take().begun.isEmpty)
        inbox.stop()
        #expect(inbox.take().isStopping && inbox.take().isStopping)
    }

    @Test("a zone's rules are those of the system's file")
    func zones() throws {
        // 1 July 2026: summer time since 8 March, until 1 November.
        let now: Int64 = 1_782_864_000
        let rules = try #require(Zones.rules(of: "America/New_York", now: now))
        #expect(rules.first == -4 * 3_600)
        #expect(
            rules.changes == [
                ZoneRules.Change(at: 1_793_512_800, offset: -5 * 3_600),
                ZoneRules.Change(at: 1_805_007_600, offset: -4 * 3_600),
            ])
        let tokyo = try #require(Zones.rules(of: "Asia/Tokyo", now: now))
        #expect(tokyo.first == 9 * 3_600 && tokyo.changes.isEmpty)
    }

    @Test(
        "a zone's name is no path",
        arguments: [
            "", "/etc/passwd", "../../../etc/passwd", "Nowhere/City", "Europe", "EST (Eastern)",
            "a\0b", String(repeating: "x", count: 65),
        ])
    func noZones(name: String) {
        #expect(Zones.rules(of: name, now: 1_782_864_000) == nil)
    }
}
