import Primitives
import Testing

@Suite struct VersionedJSONTests {
    private func read(_ text: String, upTo known: Int = 2) throws -> JSONValue {
        try VersionedJSON.read(Array(text.utf8), upTo: known)
    }

    @Test("a document begins with its version, and is read whatever else is in it")
    func known() throws {
        var json = JSONWriter()
        json.object(version: 2) { $0.member("a", 5) }
        #expect(json.text == #"{"v":2,"a":5}"#)
        #expect(try read(json.text)["a"]?.int == 5)
        #expect(try read(#"{"a":5,"new":[{}],"v":1}"#)["a"]?.int == 5)
    }

    @Test("one of a newer release is refused with what to do", arguments: [3, Int.max])
    func newer(version: Int) throws {
        let refusal = #expect(throws: VersionedJSON.Refusal.self) {
            try read(#"{"v":\#(version),"a":5}"#)
        }
        #expect(refusal?.isNewer == true)
        #expect(
            "\(try #require(refusal))" == "a newer release wrote it (it has version \(version), "
                + "this program knows 2): upgrade this program to that release")
    }

    @Test(
        "what is damaged is no newer release",
        arguments: [
            "", "{", "{}", #"{"v":0}"#, #"{"v":-1}"#, #"{"v":"1"}"#, #"{"v":1.5}"#, #"{"v":null}"#,
            #"{"v":99999999999999999999}"#,
        ])
    func damaged(text: String) {
        let refusal = #expect(throws: VersionedJSON.Refusal.self) { try read(text) }
        #expect(refusal?.isNewer == false)
    }
}
