import MarketModel
import Primitives
import TapeCodec
import TapeTransport
import Testing

@Suite struct RebuildRequestTests {
    @Test("a request has these bytes; only a newer release means something else")
    func golden() throws {
        let request = RebuildRequest(requested: Timestamp(nanoseconds: 5))
        #expect(String(decoding: request.json, as: UTF8.self) == #"{"v":1,"requested_ns":5}"#)
        #expect(RebuildRequest.key(Partition(3)) == "operator.3.rebuild")
        for text in [#"{"requested_ns":5}"#, "{}", ""] {
            #expect(try RebuildRequest(json: Array(text.utf8)).stored == nil)
        }
        #expect(try RebuildRequest(json: request.json) == request)
        let error = #expect(throws: VersionedJSON.Refusal.self) {
            try RebuildRequest(json: Array(#"{"v":2}"#.utf8))
        }
        #expect(error?.isNewer == true)
    }

    @Test("a request with what a database has comes back")
    func stored() throws {
        let source = try #require(SourceName("ibkr"))
        let request = RebuildRequest(
            requested: Timestamp(nanoseconds: 5),
            stored: RebuildRequest.Stored(
                lastOrdinal: 70, epoch: 4,
                sources: [SourceOrdinal(source: source, epoch: 3, lastOrdinal: 900)]))
        #expect(
            String(decoding: request.json, as: UTF8.self)
                == #"{"v":1,"requested_ns":5,"stored":{"last_ordinal":70,"epoch":4,"sources":["#
                + #"{"source":"ibkr","epoch":3,"last_ordinal":900}]}}"#)
        #expect(try RebuildRequest(json: request.json) == request)
    }

    @Test(
        "a request whose numbers are damaged is refused: its worker would give out ordinals again",
        arguments: [
            #"{"v":1,"stored":{"epoch":4}}"#, #"{"v":1,"stored":{"last_ordinal":-1,"epoch":4}}"#,
            #"{"v":1,"stored":{"last_ordinal":4611686018427387904,"epoch":4}}"#,
            #"{"v":1,"stored":{"last_ordinal":1,"epoch":4,"sources":[{"source":"*","#
                + #""last_ordinal":1}]}}"#,
        ])
    func damaged(text: String) {
        #expect(throws: VersionedJSON.Refusal.self) { try RebuildRequest(json: Array(text.utf8)) }
    }
}
