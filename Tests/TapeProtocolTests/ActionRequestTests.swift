import MarketModel
import Primitives
import TapeProtocol
import Testing

@Suite("Requests for actions") struct ActionRequestTests {
    private static let request = ActionRequest(
        number: .max, carrier: .max, asked: Timestamp(nanoseconds: 1_800_000_000_000_000_001),
        person: "alice",
        origin: "::1", reason: "a \"b\" é",
        words: ["watchlist", "add", "A B"])

    @Test("a request comes back as it was sent, and members of later releases are ignored")
    func roundTrip() throws {
        #expect(try ActionRequest(json: Self.request.json) == Self.request)
        let text = String(decoding: Self.request.json, as: UTF8.self)
        let later = text.dropLast() + ",\"more\":[1]}"
        #expect(try ActionRequest(json: Array(later.utf8)) == Self.request)
        #expect(try ActionRequest(json: ActionRequest().json).words.isEmpty)
    }

    private static func text(
        version: Int = 1, number: String = #""1""#, carrier: String = #""1""#,
        asked: String = "1", words: String = "[]"
    ) -> String {
        #"{"v":\#(version),"number":\#(number),"carrier":\#(carrier),"asked_ns":\#(asked),"#
            + #""person":"","origin":"","reason":"","words":\#(words)}"#
    }

    @Test("the same text with nothing wrong is a request")
    func right() throws { #expect(try ActionRequest(json: Array(Self.text().utf8)).number == 1) }

    @Test(
        "what is no request is refused",
        arguments: [
            "", "{}", "[]", text(number: "7"), text(number: #""-1""#), text(carrier: "1"),
            text(carrier: #""""#), text(asked: #""1""#), text(words: "[1]"),
            text(words: #""down""#), text(version: 2),
            #"{"v":1,"number":"1","asked_ns":1,"person":"","origin":"","reason":"","words":[]}"#,
        ])
    func refused(text: String) {
        #expect(throws: VersionedJSON.Refusal.self) { try ActionRequest(json: Array(text.utf8)) }
    }

    @Test(
        "a request is begun soon or never, whatever the clocks say",
        arguments: [
            (0, true), (20, true), (21, false), (-20, true), (-21, false), (Int64.min, false),
        ] as [(Int64, Bool)])
    func due(seconds: Int64, isDue: Bool) {
        let now =
            seconds == .min
            ? Timestamp(nanoseconds: .min)
            : Self.request.asked.advanced(byNanoseconds: seconds * 1_000_000_000)
        #expect(Self.request.isDue(at: now) == isDue)
    }

    @Test("a request that is too large is refused before it is read")
    func limits() {
        var large = Self.request
        large.words = Array(repeating: "x", count: ActionRequest.wordsMax + 1)
        #expect(throws: VersionedJSON.Refusal.self) { try ActionRequest(json: large.json) }
        large.words = [String(repeating: "x", count: ActionRequest.bytesMax)]
        #expect(throws: VersionedJSON.Refusal.self) { try ActionRequest(json: large.json) }
    }

    @Test(
        "the command is as a shell would read it",
        arguments: [
            (["member", "drain", "w-1"], "member drain w-1"), (["repair", "A B"], "repair 'A B'"),
            (["x", "it's", ""], "x 'it'\\''s' ''"), (["x", "$(down)"], "x '$(down)'"),
        ])
    func command(words: [String], text: String) {
        #expect(ActionRequest.command(words) == text)
    }

    @Test("each answer comes back as it was sent", arguments: ActionStage.allCases)
    func answers(stage: ActionStage) throws {
        let answer = ActionAnswer(stage, "one\ntwo", carrier: .max, notTaken: 1 << 63)
        #expect(try ActionAnswer(json: answer.json) == answer)
        #expect(throws: VersionedJSON.Refusal.self) {
            let text = #"{"v":1,"stage":"gone","outcome":"","carrier":"1","not_taken":"1"}"#
            return try ActionAnswer(json: Array(text.utf8))
        }
    }
}
