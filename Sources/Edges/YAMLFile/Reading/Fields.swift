internal import Primitives

/// The keys of one mapping, checked against the allowed ones.
package struct Fields {
    package let position: YAMLPosition
    private let entries: [String: YAMLEntry]

    /// `explained` lists keys that people expect here, and why they are not allowed. Fails when the
    /// node is no mapping.
    package init?(
        _ node: YAMLNode, of owner: String, known: [String], explained: [String: String] = [:],
        _ problems: inout ProblemList
    ) {
        guard let mapping = node.mapping else {
            problems.add(node.position, "\(owner) is \(node.kind), not a mapping of keys to values")
            return nil
        }
        position = node.position
        for entry in mapping where !known.contains(entry.key) {
            if let reason = explained[entry.key] {
                problems.add(entry.position, "\(owner): \(entry.key): \(reason)")
                continue
            }
            let near = NearestName.of(entry.key, in: known).map { "did you mean \($0)?" }
            let advice = near ?? "there are \(known.joined(separator: ", "))"
            problems.add(
                entry.position, "\(owner): \(Shown.text(entry.key)) is no key of it: \(advice)")
        }
        entries = mapping.reduce(into: [:]) { $0[$1.key] = $1 }
    }

    /// Returns `nil` when the key is missing or has no value.
    package subscript(_ key: String) -> YAMLNode? {
        guard let node = entries[key]?.value, node.scalar?.isEmpty != true else { return nil }
        return node
    }

    package func required(
        _ key: String, of owner: String, as example: String, _ problems: inout ProblemList
    ) -> YAMLNode? {
        if let node = self[key] { return node }
        let place = entries[key]?.position ?? position
        problems.add(place, "\(owner): \(key) is missing: give it like '\(key): \(example)'")
        return nil
    }
}

/// Shortens foreign text for messages: one line and short.
package enum Shown {
    package static func text(_ text: String) -> String {
        var line = ""
        for scalar in text.unicodeScalars.prefix(60) {
            let isControl = scalar.properties.generalCategory == .control
            line.unicodeScalars.append(isControl ? " " : scalar)
        }
        return "\"\(line)\(text.unicodeScalars.count > 60 ? "..." : "")\""
    }

    package static func node(_ node: YAMLNode) -> String {
        guard let scalar = node.scalar, !scalar.isEmpty else { return node.kind }
        return text(scalar.text)
    }
}

// Reads values of one kind. For a value of another kind each returns `nil` and adds a problem.
extension ProblemList {
    package mutating func text(_ node: YAMLNode?, _ what: String) -> String? {
        guard let node else { return nil }
        guard let scalar = node.scalar, !scalar.text.isEmpty else {
            add(node.position, "\(what) is \(node.kind): write one text")
            return nil
        }
        return scalar.text
    }

    package mutating func integer(
        _ node: YAMLNode?, _ what: String, in range: ClosedRange<Int64>
    ) -> Int64? {
        guard let node else { return nil }
        guard let number = node.scalar?.integer, range.contains(number) else {
            add(
                node.position,
                "\(what): \(Shown.node(node)) is no whole number from \(range.lowerBound) to "
                    + "\(range.upperBound)")
            return nil
        }
        return number
    }

    package mutating func duration(
        _ node: YAMLNode?, _ what: String, in range: ClosedRange<Int64>
    ) -> Int64? {
        guard let node else { return nil }
        guard let duration = node.scalar?.duration, range.contains(duration) else {
            let (low, high) = (
                YAMLScalar.text(ofDuration: range.lowerBound),
                YAMLScalar.text(ofDuration: range.upperBound)
            )
            add(
                node.position,
                "\(what): \(Shown.node(node)) is no time from \(low) to \(high): write a whole "
                    + "number and d, h, m, s or ms")
            return nil
        }
        return duration
    }

    /// Reads a number with decimals, in units of 1e-8 as sizes are.
    package mutating func amount(_ node: YAMLNode?, _ what: String) -> Int64? {
        guard let node else { return nil }
        guard let scalar = node.scalar, scalar.isPlain,
            let amount = FixedPoint.amount(scalar.text), amount > 0
        else {
            add(
                node.position,
                "\(what): \(Shown.node(node)) is no number above 0 with at most 8 decimals")
            return nil
        }
        return amount
    }

    package mutating func list(_ node: YAMLNode?, _ what: String, as example: String) -> [YAMLNode]?
    {
        guard let node else { return nil }
        guard let list = node.sequence, !list.isEmpty else {
            add(node.position, "\(what) is \(node.kind): write a list like \(example)")
            return nil
        }
        return list
    }

    /// Reads one of several words.
    package mutating func choice<Value>(
        _ node: YAMLNode?, _ what: String, _ values: [(name: String, value: Value)]
    ) -> Value? {
        guard let node, let text = text(node, what) else { return nil }
        if let found = values.first(where: { $0.name == text }) { return found.value }
        let names = values.map(\.name)
        let advice =
            NearestName.of(text, in: names).map { "did you mean \($0)?" }
            ?? "choose one of \(names.joined(separator: ", "))"
        add(node.position, "\(what): \(Shown.text(text)) is not known: \(advice)")
        return nil
    }
}

extension FixedPoint {
    /// Returns the amount in 1e-8; `nil` when there is no such number.
    fileprivate static func amount(_ text: String) -> Int64? {
        do throws(ParseError) {
            return try parse(text, decimals: 8)
        } catch {
            return nil
        }
    }
}
