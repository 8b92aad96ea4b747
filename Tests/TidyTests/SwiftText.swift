/// Swift source split into code, comments and the text of literals. Each part keeps the lines and
/// columns of the file; characters of other parts are blank.
///
/// It is not a parser: it knows comments (also nested), string literals of all four kinds, and code
/// in interpolations. The rules need that in order not to mistake a brace in a text for code.
struct SwiftText: Sendable {
    struct Literal: Sendable, Equatable {
        /// The text without quotes and interpolations. Escapes are unchanged.
        let text: String
        /// The line on which it begins, counted from 1.
        let line: Int
        /// The byte at which it begins.
        let offset: Int
    }

    /// Quotes are kept, so that two literals do not run together.
    private(set) var code: [UInt8]
    private(set) var comments: [UInt8]
    private(set) var literals: [Literal] = []

    init(_ text: String) {
        var scanner = Scanner(Array(text.utf8))
        scanner.run()
        code = scanner.code
        comments = scanner.comments
        literals = scanner.literals
    }

    var codeLines: [String] { Self.lines(code) }
    var commentLines: [String] { Self.lines(comments) }

    private static func lines(_ bytes: [UInt8]) -> [String] {
        bytes.split(separator: newline, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}

private let newline = UInt8(ascii: "\n")
private let quote = UInt8(ascii: "\"")
private let hash = UInt8(ascii: "#")
private let backslash = UInt8(ascii: "\\")
private let space = UInt8(ascii: " ")

extension SwiftText {
    private enum Mode {
        /// Code in an interpolation at this depth of parentheses. `nil` outside of all literals.
        case code(depth: Int?)
        case string(Opened)
    }

    /// A literal that is not closed yet.
    private struct Opened {
        let hashes: Int
        let multiline: Bool
        let line: Int
        let offset: Int
        var text: [UInt8] = []

        var marks: String { String(repeating: "#", count: hashes) }
        var end: String { (multiline ? "\"\"\"" : "\"") + marks }
    }

    private struct Scanner {
        private let bytes: [UInt8]
        private var index = 0
        private var line = 1
        private var modes: [Mode] = [.code(depth: nil)]
        var code: [UInt8]
        var comments: [UInt8]
        var literals: [Literal] = []

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            let blank = bytes.map { $0 == newline ? newline : space }
            code = blank
            comments = blank
        }

        mutating func run() {
            while index < bytes.count, let mode = modes.last {
                switch mode {
                case .code(let depth): scanCode(depth: depth)
                case .string(let literal): scanString(literal)
                }
            }
        }

        private func starts(with text: String, at place: Int) -> Bool {
            place + text.utf8.count <= bytes.count
                && bytes[place...].prefix(text.utf8.count).elementsEqual(text.utf8)
        }

        private func hashes(at place: Int) -> Int {
            bytes[min(place, bytes.count)...].prefix { $0 == hash }.count
        }

        private mutating func step(comment: Bool = false, code isCode: Bool = false) {
            if bytes[index] == newline { line += 1 }
            if comment { comments[index] = bytes[index] }
            if isCode { code[index] = bytes[index] }
            index += 1
        }

        // MARK: code

        private mutating func scanCode(depth: Int?) {
            let byte = bytes[index]
            if byte == UInt8(ascii: "/") {
                if starts(with: "//", at: index) { return lineComment() }
                if starts(with: "/*", at: index) { return blockComment() }
            }
            if byte == quote { return openString(hashes: 0) }
            if byte == hash {
                let marks = hashes(at: index)
                if starts(with: "\"", at: index + marks) { return openString(hashes: marks) }
            }
            if let depth {
                if byte == UInt8(ascii: "(") { modes[modes.count - 1] = .code(depth: depth + 1) }
                if byte == UInt8(ascii: ")") {
                    if depth == 1 {
                        modes.removeLast()
                    } else {
                        modes[modes.count - 1] = .code(depth: depth - 1)
                    }
                }
            }
            step(code: true)
        }

        private mutating func lineComment() {
            while index < bytes.count, bytes[index] != newline { step(comment: true) }
        }

        private mutating func blockComment() {
            var depth = 0
            repeat {
                if starts(with: "/*", at: index) {
                    depth += 1
                    step(comment: true)
                } else if starts(with: "*/", at: index) {
                    depth -= 1
                    step(comment: true)
                }
                step(comment: true)
            } while depth > 0 && index < bytes.count
        }

        // MARK: literals

        private mutating func openString(hashes: Int) {
            let (start, offset) = (line, index)
            for _ in 0..<hashes { step(code: true) }
            let multiline = starts(with: "\"\"\"", at: index)
            for _ in 0..<(multiline ? 3 : 1) { step(code: true) }
            modes.append(
                .string(Opened(hashes: hashes, multiline: multiline, line: start, offset: offset)))
        }

        private mutating func scanString(_ opened: Opened) {
            var literal = opened
            let end = literal.end
            while index < bytes.count {
                let byte = bytes[index]
                if byte == quote, starts(with: end, at: index) {
                    for _ in 0..<end.utf8.count { step(code: true) }
                    return close(literal)
                }
                // An unclosed literal ends with its line, so that the rest of the file is still
                // checked.
                if byte == newline, !literal.multiline { return close(literal) }
                if byte == backslash, starts(with: "\\\(literal.marks)(", at: index) {
                    modes[modes.count - 1] = .string(literal)
                    modes.append(.code(depth: 1))
                    for _ in 0..<(literal.hashes + 2) { step(code: true) }
                    return
                }
                if byte == backslash, starts(with: "\\\(literal.marks)", at: index) {
                    for _ in 0...literal.hashes {
                        literal.text.append(bytes[index])
                        step()
                    }
                }
                guard index < bytes.count else { return }
                literal.text.append(bytes[index])
                step()
            }
        }

        private mutating func close(_ literal: Opened) {
            let text = String(decoding: literal.text, as: UTF8.self)
            literals.append(Literal(text: text, line: literal.line, offset: literal.offset))
            modes.removeLast()
        }
    }
}
