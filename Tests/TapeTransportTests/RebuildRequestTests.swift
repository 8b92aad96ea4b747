import MarketModel
import Primitives
import TapeTransport
import Testing

@Suite struct RebuildRequestTests {
    @Test("a request is the bytes that it always was; only a newer release means something else")
    func golden() {
        let request = RebuildRequest(requested: Timestamp(nanoseconds: 5))
        #expect(String(decoding: request.json, as: UTF8.self) == #"{"v":1,"requested_ns":5}"#)
        #expect(RebuildRequest.key(Partition(3)) == "operator.3.rebuild")
        for text in [#"{"requested_ns":5}"#, "{}", ""] {
            #expect(RebuildRequest.refusal(of: Array(text.utf8)) == nil)
        }
        #expect(RebuildRequest.refusal(of: request.json) == nil)
        #expect(RebuildRequest.refusal(of: Array(#"{"v":2}"#.utf8))?.isNewer == true)
    }
}
