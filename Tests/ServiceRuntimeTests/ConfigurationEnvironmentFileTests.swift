import Primitives
import Testing

@testable import ServiceRuntime

@Suite struct ConfigurationEnvironmentFileTests {
    @Test(
        "lines that are understood",
        arguments: [
            ("A=b", "b"), ("A=", ""), ("  A=b  ", "b"), ("export A=b", "b"),
            ("export\t A=b", "b"), ("A='b c'", "b c"), ("A=\"b c\"", "b c"),
            ("A=b # why", "b"), ("A='b' # why", "b"), ("A= # why", ""), ("A=b#c", "b#c"),
            ("A='b#c'", "b#c"), ("A='$x \\n'", "$x \\n"),
            ("A=\"\\$x\\\\ \\\"\\n\\t\"", "$x\\ \"\n\t"),
            ("A=b=c==", "b=c=="), ("A=''", ""), ("A=\"\"", ""), ("A=b\r", "b"),
            ("A='b'\r", "b"), ("A=ä€", "ä€"), ("A=a&b;c|d", "a&b;c|d"), ("\u{feff}A=b", "b"),
            ("A=e\u{301}", "e\u{301}"),
        ])
    func understood(line: String, value: String) {
        let file = EnvironmentFile(Array(line.utf8))
        #expect(file.problems == [])
        #expect(file.entries.map(\.name) == ["A"])
        #expect(file.entries.map(\.value) == [value])
    }

    @Test(
        "comments and empty lines are nothing",
        arguments: ["", "\n\n", "# A=b", "  #", "\r\n", "\t"])
    func nothing(text: String) {
        let file = EnvironmentFile(Array(text.utf8))
        #expect(file.entries == [])
        #expect(file.problems == [])
    }

    @Test(
        "lines that are refused",
        arguments: [
            ("A", "not KEY=value"), ("export A", "not KEY=value"), ("A: b", "not KEY=value"),
            ("=b", "in front of = is no name of A-Z, 0-9 and _"),
            ("A =b", "in front of = is no name of A-Z, 0-9 and _"),
            ("1A=b", "in front of = is no name of A-Z, 0-9 and _"),
            ("A-B=c", "in front of = is no name of A-Z, 0-9 and _"),
            ("exportA =b", "in front of = is no name of A-Z, 0-9 and _"),
            ("A='b", "A: the quote does not end on this line"),
            ("A=\"b", "A: the quote does not end on this line"),
            ("A=\"b\\", "A: the quote does not end on this line"),
            ("A='b'c", "A: there is text behind the closing quote"),
            ("A='b'#c", "A: there is text behind the closing quote"),
            ("A=\"b\" c", "A: there is text behind the closing quote"),
            ("A=b c", "A: a value with spaces needs quotes"),
            ("A= b", "A: a value with spaces needs quotes"),
            ("A=b\tc", "A: a value with spaces needs quotes"),
            ("A=it's", "A: a quote in the middle of a bare value: put all of it in quotes"),
            ("A=#b", "A: a value that begins with # needs quotes"),
            ("A=a\\b", "A: a backslash or backtick needs single quotes"),
            (
                "A=$HOME",
                "A: a $ is not expanded here, but elsewhere: put the value in single quotes"
            ),
            (
                "A=\"${HOME}\"",
                "A: a $ is not expanded here, but elsewhere: put the value in single quotes"
            ),
            ("A=\"\\x\"", "A: in double quotes only \\\\, \\\", \\$, \\n and \\t are known"),
            ("A=b\u{1}", "A: control characters are not allowed"),
            ("A=b\rc", "A: control characters are not allowed"),
        ])
    func refused(line: String, problem: String) {
        let file = EnvironmentFile(Array("# first\n\(line)\nZ=1\n".utf8))
        #expect(file.problems == [.init(line: 2, text: problem)])
        #expect(file.entries == [.init(name: "Z", value: "1", line: 3)])
    }

    @Test("CRLF counts lines like LF, and a doubled name is a problem of the second line")
    func lines() {
        let file = EnvironmentFile(Array("A=1\r\n\r\n# c\r\nB=2\r\nA=3\r\n".utf8))
        #expect(file.entries.map(\.line) == [1, 4])
        #expect(file.entries.map(\.value) == ["1", "2"])
        #expect(
            file.problems == [.init(line: 5, text: "A is set for the second time, after line 1")])
    }

    @Test("what is no text, or too much of it, is one problem")
    func noText() {
        #expect(
            EnvironmentFile([0x41, 0x3d, 0xff]).problems.map(\.text) == ["not a text in UTF-8"])
        #expect(EnvironmentFile([0x41, 0x3d, 0]).problems.map(\.text) == ["not a text in UTF-8"])
        let large = [UInt8](repeating: 0x23, count: EnvironmentFile.bytesMax + 1)
        #expect(EnvironmentFile(large).problems.map(\.text) == ["larger than 262144 bytes"])
        #expect(EnvironmentFile(large.dropLast()).problems == [])
    }

    @Test("no bytes at all make the parser trap", arguments: 0..<200 as Range<UInt64>)
    func anything(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let alphabet = Array("A=\"'\\$# \t\r\n`export_1\u{feff}é".utf8) + [0, 0xff, 0xc3]
        let bytes = (0..<64).map { _ in alphabet.randomElement(using: &random) ?? 0 }
        let file = EnvironmentFile(bytes)
        let lines = bytes.count { $0 == 10 } + 1
        #expect(file.entries.count + file.problems.count <= lines)
    }
}
