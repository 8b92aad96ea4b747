import MarketModel
import NatsTransport
import Primitives
import TestSupport
import Testing

@testable import TapeTransport

@Suite("What was loaded into a source")
struct LoadStoreTests {
    private static func loads(_ count: Int = 2, bars: String = "") throws -> SourceLoads {
        var loads = SourceLoads()
        for number in 0..<count {
            var range = LoadRange(
                try ["B", "A"].map { try #require(Symbol($0)) },
                (
                    Timestamp(nanoseconds: Int64(number)),
                    Timestamp(nanoseconds: Int64(number + 1))
                ), bars: bars, by: "anna@desk",
                at: Timestamp(nanoseconds: 5))
            if number < count - 1 { range.state = .done }
            loads.set(range)
        }
        return loads
    }

    @Test("the bytes that releases share, read as they were written")
    func golden() throws {
        let loads = try Self.loads(1)
        #expect(
            String(decoding: loads.json, as: UTF8.self)
                == #"{"v":1,"ranges":[{"symbols":["A","B"],"#
                + #""from":"1970-01-01T00:00:00.000000000Z","from_ns":0,"#
                + #""to":"1970-01-01T00:00:00.000000001Z","to_ns":1,"state":"running","#
                + #""who":"anna@desk","time":"1970-01-01T00:00:00.000000005Z","time_ns":5}]}"#)
        for count in [0, 1, 2, SourceLoads.rangesMax] {
            let loads = try Self.loads(count)
            #expect(try SourceLoads(json: loads.json) == loads && loads.problem == nil)
        }
        #expect(try Self.loads(SourceLoads.rangesMax + 1).problem?.contains("the most") == true)
    }

    @Test("a record names the series of bars")
    func bars() throws {
        let loads = try Self.loads(2, bars: "1d")
        let text = String(decoding: loads.json, as: UTF8.self)
        #expect(text.hasPrefix(#"{"v":1,"#) && text.contains(#""to_ns":1,"bars":"1d","state""#))
        #expect(try SourceLoads(json: loads.json) == loads)
        let long = text.replacing(#""1d""#, with: #""123456789""#)
        #expect(throws: VersionedJSON.Refusal.self) { try SourceLoads(json: Array(long.utf8)) }
    }

    @Test(
        "what is damaged or newer is refused as a whole",
        arguments: [
            ("", "", false), (#""v":1"#, #""v":2"#, true), (#""running""#, #""held""#, true),
            (#""state":"running","#, "", false), (#""to_ns":1"#, #""to_ns":0"#, false),
            (#"["A","B"]"#, "[]", false), (#"["A","B"]"#, #"["A",""]"#, false),
            (#""who":"anna@desk","#, "", false), (#""ranges""#, #""range""#, false),
        ])
    func refused(part: String, other: String, isNewer: Bool) throws {
        let text = String(decoding: try Self.loads(1).json, as: UTF8.self)
        let changed = part.isEmpty ? "{" : text.replacing(part, with: other, maxReplacements: 1)
        #expect(changed != text)
        let refusal = #expect(throws: VersionedJSON.Refusal.self) {
            try SourceLoads(json: Array(changed.utf8))
        }
        #expect(refusal?.isNewer == isNewer)
    }

    @Test("a range that is there twice is refused")
    func twice() throws {
        let text = String(decoding: try Self.loads(2).json, as: UTF8.self)
            .replacing(#""from_ns":1"#, with: #""from_ns":0"#)
            .replacing(#""to_ns":2"#, with: #""to_ns":1"#)
        #expect(throws: VersionedJSON.Refusal.self) { try SourceLoads(json: Array(text.utf8)) }
    }

    @Test("what is noted of a range replaces what was noted of it before")
    func replaced() throws {
        var loads = try Self.loads(2)
        var last = try #require(loads.ranges.last)
        #expect(last.state == .running)
        last.state = .done
        loads.set(last)
        #expect(loads.ranges.map(\.state) == [.done, .done])
    }

    @Test("of two writes that expect the same record, one is stored")
    func stored() throws {
        let rig = try TapeServer().rig()
        let store = try LoadStore(rig.client, try #require(SourceName("binance-history")))
        #expect(store.key == "load.binance-history.ranges")
        let before = try store.read()
        #expect(before == LoadStore.Stored())
        let loads = try Self.loads()
        guard case .stored(let revision) = try store.write(loads, after: before) else {
            Issue.record("not stored")
            return
        }
        #expect(try store.write(SourceLoads(), after: before) == .conflict(present: revision))
        let read = try store.read()
        #expect(read.value == loads && read.revision == revision)
        guard case .stored = try store.write(SourceLoads(), after: read) else {
            Issue.record("not replaced")
            return
        }
        #expect(try store.read().value == SourceLoads())
    }
}
