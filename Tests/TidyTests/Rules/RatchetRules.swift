/// Counts that may only fall. The house has too many of these places to mend in one change. A
/// change that lowers a count lowers its limit, too.
let ratchetRules: [Rule] = [
    ratchet(
        "types with many stored properties", limit: 6,
        fix: "cut the type by state: each part has its own properties and its own subject",
        example: { "struct S\($0) {\n" + String(repeating: "    let a = 1\n", count: 16) + "}\n" },
        places: { storedProperties(in: $0).filter { $0.count > Limit.storedProperties } }),
    ratchet(
        "functions with many parameters", limit: 27,
        fix: "give what belongs together a struct with names",
        example: { "func f\($0)(a: A, b: [B: C], c: (D, E), d: F<G, H>, e: I, f: J) {}\n" },
        places: { parameters(in: $0).filter { $0.count > Limit.parameters } }),
    ratchet(
        "switches with a default", limit: 129,
        fix: "name the cases of an enum of ours, so that the compiler finds what a new case needs",
        example: { "switch a\($0) {\ncase 1: f()\ndefault: g()\n}\n" },
        places: { file in
            // An argument with this label ends with a comma.
            file.codeLines.enumerated().filter {
                let line = $0.element.trimmed
                return line.hasPrefix("default:") && !line.hasSuffix(",")
            }.map { Place(line: $0.offset + 1, name: "default", count: 1) }
        }),
]

private enum Limit {
    static let storedProperties = 15
    static let parameters = 5
}

private struct Place {
    let line: Int
    let name: String
    let count: Int
}

private func ratchet(
    _ name: String, limit: Int, fix: String, example: (Int) -> String,
    places: @escaping @Sendable (SourceFile) -> [Place]
) -> Rule {
    let path = "Sources/G/A/A.swift"
    let examples = (0...limit + 1).map(example)
    return Rule(
        name: name, fix: fix,
        broken: [
            [path: examples.prefix(limit + 1).joined()],
            [path: examples.prefix(limit + 2).joined()],
        ],
        kept: [[path: examples.prefix(limit).joined()]],
        check: { repository in
            let found = repository.swift.filter(\.isProduct).flatMap { file in
                places(file).map { (file.path, $0) }
            }
            if found.count == limit { return [] }
            let this = "Tests/TidyTests/Rules/RatchetRules.swift"
            guard found.count > limit else {
                return [Violation(this, 1, "only \(found.count) \(name) are left of \(limit).")]
            }
            // The longest first: the new one is among them or one of its neighbours.
            return found.sorted { $0.1.count > $1.1.count }.map { path, place in
                Violation(
                    path, place.line,
                    "one of \(found.count) \(name), not \(limit): \(place.name), \(place.count).")
            }
        })
}

private let types: Set<String> = ["struct", "class", "enum", "actor"]
private let modifiers: Set<String> = [
    "public", "package", "internal", "fileprivate", "private", "final", "indirect", "var", "let",
    "lazy", "weak", "unowned", "nonisolated", "mutating", "borrowing",
]

/// Each type of a file with the number of its stored properties: lines `let` and `var` directly
/// inside its braces that do not open the body of a computed one.
private func storedProperties(in file: SourceFile) -> [Place] {
    var open: [(depth: Int, place: Int)] = []
    var places: [Place] = []
    var depth = 0
    for (index, line) in file.codeLines.enumerated() {
        let words = line.split { !$0.isLetter && $0 != "_" && !$0.isNumber && $0 != "@" }
        if let place = open.last, depth == place.depth {
            let names = storedNames(line, words.map(String.init))
            let old = places[place.place]
            places[place.place] = Place(line: old.line, name: old.name, count: old.count + names)
        }
        let kind = words.firstIndex { types.contains(String($0)) }
        let opens = line.contains("{")
        if let kind, opens, kind + 1 < words.count,
            words[..<kind].allSatisfy({ $0.hasPrefix("@") || modifiers.contains(String($0)) })
        {
            open.append((depth + 1, places.count))
            places.append(Place(line: index + 1, name: String(words[kind + 1]), count: 0))
        }
        depth += line.count { $0 == "{" } - line.count { $0 == "}" }
        while let last = open.last, depth < last.depth { open.removeLast() }
    }
    return places
}

private func storedNames(_ line: String, _ words: [String]) -> Int {
    guard let keyword = words.firstIndex(where: { $0 == "let" || $0 == "var" }),
        words[..<keyword].allSatisfy({ $0.hasPrefix("@") || modifiers.contains($0) })
    else { return 0 }
    let head = line.prefix { $0 != ":" && $0 != "=" }
    let value = line.firstIndex(of: "=")
    if let brace = line.firstIndex(of: "{"), value.map({ brace < $0 }) ?? true { return 0 }
    return head.count { $0 == "," } + 1
}

/// Each function of a file, but no initialiser, with the number of its parameters.
private func parameters(in file: SourceFile) -> [Place] {
    let code = file.codeLines
    return code.enumerated().compactMap { index, line in
        let words = line.split(separator: " ")
        guard let keyword = words.firstIndex(of: "func"), keyword + 1 < words.count,
            let start = line.firstRange(of: "func ")?.upperBound
        else { return nil }
        let text = ([String(line[start...])] + code[(index + 1)...].prefix(20)).joined(
            separator: "\n")
        let name = text.prefix { $0 != "(" && $0 != "<" }
        return Place(line: index + 1, name: String(name), count: parameterCount(text))
    }
}

private func parameterCount(_ text: String) -> Int {
    var depth = 0
    var count = 0
    var isEmpty = true
    var previous: Character = " "
    for character in text {
        switch character {
        case "(", "[": depth += 1
        // A generic argument list; `<` alone is no operator in a signature.
        case "<" where depth > 0: depth += 1
        case ">" where depth > 0 && previous != "-": depth -= 1
        case ")", "]":
            depth -= 1
            if depth == 0, character == ")" { return isEmpty ? 0 : count + 1 }
        case "," where depth == 1: count += 1
        case " ", "\n": break
        default: if depth > 0 { isEmpty = false }
        }
        previous = character
    }
    return count
}
