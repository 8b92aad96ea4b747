import Membership
import NatsTransport
import Primitives
import ServiceTestSupport
import TapeTransport
import TestSupport
import Testing

@testable import TapeKeeping

@Suite("The server that has the database")
struct DatabaseServerTests {
    private func server(_ system: UInt64, _ timeline: UInt32) -> DatabaseServer {
        DatabaseServer(
            system: system, timeline: timeline, peer: "db-b:5432/market_data as tapeline",
            noted: Timestamp(nanoseconds: 1_700_000_000_000_000_000))
    }

    @Test(
        "a promoted server has a higher timeline of the same system",
        arguments: [
            (7, 4, DatabaseServer.Verdict.same), (7, 5, .promoted), (7, 3, .superseded),
            (8, 4, .foreign), (8, 9, .foreign), (7, UInt32.max, .promoted), (7, 0, .superseded),
        ])
    func verdicts(system: UInt64, timeline: UInt32, verdict: DatabaseServer.Verdict) {
        #expect(server(7, 4).verdict(system: system, timeline: timeline) == verdict)
    }

    @Test("the stored bytes stay the same, and are read back")
    func golden() throws {
        let one = server(.max, 4)
        let text = String(decoding: one.json, as: UTF8.self)
        #expect(
            text == #"{"v":1,"system":18446744073709551615,"timeline":4,"#
                + #""peer":"db-b:5432/market_data as tapeline","#
                + #""noted":"2023-11-14T22:13:20.000000000Z","#
                + #""noted_ns":1700000000000000000}"#)
        #expect(try DatabaseServer(json: one.json) == one)
    }

    @Test(
        "what is no record is refused",
        arguments: [
            "", "{}", #"{"v":2,"system":1,"timeline":1,"noted_ns":1}"#,
            #"{"v":1,"system":-1,"timeline":1,"noted_ns":1}"#,
            #"{"v":1,"system":1,"timeline":4294967296,"noted_ns":1}"#,
            #"{"v":1,"system":1,"timeline":1}"#,
        ])
    func refused(text: String) {
        #expect(throws: VersionedJSON.Refusal.self) {
            try DatabaseServer(json: [UInt8](text.utf8))
        }
    }

    @Test("of two writers that note a server at the same time one wins")
    func compareAndSet() throws {
        let tape = try TestTape(NatsServer(), namespace: "md", streams: false)
        let store = try DatabaseServerStore(tape.client, of: .store)
        let before = try store.read()
        #expect(before.server == nil && before.revision == 0)
        let first = try store.write(server(7, 1), after: before)
        guard case .stored = first else {
            Issue.record("not stored: \(first)")
            return
        }
        let second = try store.write(server(7, 2), after: before)
        guard case .conflict = second else {
            Issue.record("no conflict: \(second)")
            return
        }
        let stored = try store.read()
        #expect(stored.server == server(7, 1) && stored.revision > 0)
        let third = try store.write(server(7, 2), after: stored)
        guard case .stored = third else {
            Issue.record("not stored: \(third)")
            return
        }
        #expect(try store.read().server?.timeline == 2)
    }
}
