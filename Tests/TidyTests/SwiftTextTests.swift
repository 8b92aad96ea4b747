import Testing

@Suite struct SwiftTextTests {
    private func code(_ text: String) -> String {
        String(decoding: SwiftText(text).code, as: UTF8.self)
    }

    @Test(
        "comments and the text of literals are blank in the code",
        arguments: [
            ("a // b", "a     "), ("a /* b */ c", "a         c"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (#"f("{")"#, #"f(" ")"#), (#"f("\"{")"#, #"f("   ")"#), (#""\\" {"#, #""  " {"#),
            ("\"// no\" x", "\"     \" x"), (##"#"a"b"# {"##, ##"#"   "# {"##),
            ("\"\"\"\n{ \"\n\"\"\" }", "\"\"\"\n   \n\"\"\" }"),
            (#""\(f("{"))" }"#, #""\(f(" "))" }"#), (##"#"\(x)\#(y)"# z"##, ##"#"    \#(y)"# z"##),
            ("\"open\n}", "\"    \n}"), ("'é' // é", "'é'      "), ("", ""), ("/*", "  "),
            ("\"", "\""), ("\"\\", "\" "),
        ])
    func masks(text: String, expected: String) {
        #expect(code(text) == expected)
        #expect(SwiftText(text).code.count == text.utf8.count)
    }

    @Test("literals are found with their lines, in interpolations too")
    func literals() {
        let text = SwiftText(
            "let a = \"one\"\nlet b = \"x\\(f(\"two\"))y\"\n// \"no\"\n\"\"\"\nthree\n\"\"\"")
        #expect(text.literals.map(\.text) == ["one", "two", "xy", "\nthree\n"])
        #expect(text.literals.map(\.line) == [1, 2, 2, 4])
        #expect(text.literals.map(\.offset) == [8, 28, 22, 46])
    }

    @Test("comments keep their lines")
    func comments() {
        let lines = SwiftText("a // one\n/* two\nthree */ b\n\"// four\"").commentLines
        #expect(lines.map { $0.trimmed } == ["// one", "/* two", "three */", ""])
    }
}
