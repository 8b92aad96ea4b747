import Testing

@Suite struct FunctionScannerTests {
    private func functions(_ text: String) -> [String] {
        FunctionScanner.functions(in: SourceFile(path: "A.swift", text: text)).map {
            "\($0.name) \($0.line) \($0.lines)"
        }
    }

    @Test(
        "bodies are found from their first line to their last",
        arguments: [
            ("func f() {}", ["f 1 1"]), ("\nfunc f(\n    a: Int\n) {\n    g()\n}\n", ["f 2 5"]),
            ("func f() { func g() {\n} }", ["f 1 2", "g 1 2"]),
            ("init?(a: Int) throws(E) where A: B {\n}", ["init 1 2"]),
            ("deinit {\n}", ["deinit 1 2"]), ("subscript(i: Int) -> Int { 1 }", ["subscript 1 1"]),
            ("var v: [Int: (A) -> B] {\n    get { 1 }\n}", ["v 1 3"]),
            ("static func == (a: A, b: A) -> Bool {\n}", ["= 1 2"]),
            ("func f(a: () -> Void = { g() }) -> some P {\n}", ["f 1 2"]),
            ("func f() { \"}\" // }\n}", ["f 1 2"]), ("func f() {", []),
        ])
    func bodies(text: String, found: [String]) {
        #expect(functions(text) == found)
    }

    @Test(
        "what has no body of its own is none",
        arguments: [
            "protocol P {\n    func f()\n    func g() throws -> Int\n    init(a: Int)\n}",
            "struct S {\n    var a: Int\n    let b = c { d }\n    var e = f { g }\n}",
            "self.init(a: 1)\nif a { b }", "a.func { }", "let x = S.init(a: 1) { b }",
            "enum E { case a, b }",
        ])
    func none(text: String) {
        #expect(functions(text) == [])
    }

    @Test("protocol requirements with accessors do not swallow what follows")
    func accessors() {
        #expect(functions("protocol P { var a: Int { get } }\nstruct S {\n}") == ["a 1 1"])
    }
}
