import Testing

@testable import ServiceRuntime

@Suite("Answers for clients that accept gzip") struct PackedAnswersTests {
    @Test("gzip has to be named, and not excluded")
    func accepted() {
        for text in ["gzip", "GZIP", "br, gzip", "gzip;q=0.1", "deflate , gzip ; q=1", "a;;,gzip"] {
            #expect(PackedAnswers.acceptsGzip(text), "\(text)")
        }
        let others = [
            nil, "", "br", "gzip;q=0", "gzip; q=0.000", "gzip;q=nan", "gzip;q=-1", "gzip;x=1",
            "gzip;q=1;x", "xgzip", "*", ";;,,=", "q=1",
        ]
        for text in others { #expect(!PackedAnswers.acceptsGzip(text), "\(text ?? "none")") }
    }

    @Test("a body with a tag is packed once, until too many others came")
    func kept() {
        var packed = PackedAnswers()
        func answer(_ tag: String?, _ byte: UInt8) -> OperationsResponse {
            OperationsResponse(
                contentType: "text/plain", body: [UInt8](repeating: byte, count: 4_096),
                headers: tag.map { [WebHeader("ETag", $0)] } ?? [])
        }
        func body(_ tag: String?, _ byte: UInt8) -> [UInt8] {
            packed.answer(answer(tag, byte), accepting: "gzip").body
        }
        let first = body("1", 1)
        #expect(first.count < 100)
        // The tag alone tells what is the same.
        #expect(body("1", 2) == first)
        #expect(body(nil, 2) != first && body(nil, 2) != body(nil, 1))
        for number in 0..<PackedAnswers.countMax { _ = body("other \(number)", 3) }
        #expect(body("1", 2) == body(nil, 2))
    }

    @Test("what is small, or for others, is sent as it is")
    func asItIs() {
        var packed = PackedAnswers()
        let small = OperationsResponse.text(String(repeating: "x", count: 500))
        let large = OperationsResponse.text(String(repeating: "x", count: 5_000))
        #expect(packed.answer(small, accepting: "gzip").body == small.body)
        #expect(packed.answer(large, accepting: nil).body == large.body)
        #expect(packed.answer(large, accepting: nil).headers.isEmpty)
        #expect(packed.answer(large, accepting: "gzip").headers == [PackedAnswers.encoding])
        var tagged = large
        tagged.headers = [WebHeader("ETag", "W/\"1\"")]
        #expect(packed.answer(tagged, accepting: nil).headers.last == PackedAnswers.variation)
    }
}
