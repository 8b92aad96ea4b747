/// Finds the bodies of functions, initialisers, subscripts and computed properties by braces.
struct FunctionScanner {
    struct Function: Equatable {
        let name: String
        let line: Int
        let lines: Int
    }

    private struct Token {
        let text: Substring
        let line: Int
    }

    private let tokens: [Token]

    static func functions(in file: SourceFile) -> [Function] {
        FunctionScanner(file.codeLines).functions()
    }

    private init(_ lines: [String]) {
        var tokens: [Token] = []
        for (index, line) in lines.enumerated() {
            var rest = line[...]
            while let first = rest.first {
                let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
                let text = word.isEmpty ? rest.prefix(1) : word
                if !first.isWhitespace { tokens.append(Token(text: text, line: index + 1)) }
                rest = rest.dropFirst(text.count)
            }
        }
        self.tokens = tokens
    }

    private func functions() -> [Function] {
        tokens.indices.compactMap { index in
            guard let name = declaration(at: index), let open = body(after: index),
                let close = closing(open)
            else { return nil }
            let line = tokens[index].line
            return Function(name: name, line: line, lines: tokens[close].line - line + 1)
        }
    }

    private func text(_ index: Int) -> Substring {
        tokens.indices.contains(index) ? tokens[index].text : ""
    }

    /// Returns the name of the declaration here. `nil` if there is none with a body.
    private func declaration(at index: Int) -> String? {
        let before = text(index - 1)
        guard before != ".", before != "`" else { return nil }
        switch text(index) {
        case "func", "var": return String(text(index + 1))
        case "subscript", "deinit": return String(text(index))
        case "init": return ["(", "?", "!", "<"].contains(text(index + 1)) ? "init" : nil
        default: return nil
        }
    }

    /// Returns the brace that opens the body. `nil` if the declaration has none: a protocol
    /// requirement or a stored property.
    private func body(after start: Int) -> Int? {
        let stored = text(start) == "var"
        var depth = 0
        for index in tokens.indices[(start + 1)...] {
            switch text(index) {
            case "(", "[": depth += 1
            case ")", "]": depth -= 1
            case "{" where depth == 0: return index
            case "}" where depth == 0, "=" where depth == 0 && stored && !isOperator(index):
                return nil
            case "func", "var", "let", "init", "subscript", "case", "struct", "enum", "class",
                "extension", "protocol", "import", "public", "package", "private", "static",
                "mutating", "@":
                // Outside of parentheses, a word at the start of a line is a new declaration.
                if depth == 0, index > start + 1, tokens[index].line > tokens[index - 1].line {
                    return nil
                }
            default: break
            }
            if depth < 0 { return nil }
        }
        return nil
    }

    /// Returns whether this is the name of an operator, which may contain an equals sign: `static
    /// func == (…)`.
    private func isOperator(_ index: Int) -> Bool {
        text(index - 1) == "=" || text(index + 1) == "="
    }

    private func closing(_ open: Int) -> Int? {
        var depth = 0
        for index in tokens.indices[open...] {
            if text(index) == "{" { depth += 1 }
            if text(index) == "}" { depth -= 1 }
            if depth == 0 { return index }
        }
        return nil
    }
}
