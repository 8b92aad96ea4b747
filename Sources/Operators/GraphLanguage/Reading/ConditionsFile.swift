package import StreamCore
internal import YAMLFile

/// Reads a table of trade conditions, which states for each code what such trades may change.
package enum ConditionsFile {
    package static func read(
        _ path: String, name: String, _ files: GraphFiles
    ) throws(GraphProblems) -> ConditionRules {
        try ProblemList.reading(path) { read(name, files, &$0) }
    }

    static func read(
        _ name: String, _ files: GraphFiles, _ problems: inout ProblemList
    ) -> ConditionRules? {
        guard let root = ProblemList.load(problems.file, files, &problems),
            let fields = Fields(
                root, of: "the table", known: ["version", "codes"], &problems)
        else { return nil }
        _ = problems.integer(
            fields.required("version", of: "the table", as: "1", &problems), "version", in: 1...1)
        let example = "{T: [volume]}"
        guard let node = fields.required("codes", of: "the table", as: example, &problems) else {
            return nil
        }
        guard let codes = node.mapping else {
            problems.add(node.position, "codes is \(node.kind): write a mapping like \(example)")
            return nil
        }
        var rules: [(code: String, effect: TradeEffect)] = []
        for entry in codes {
            guard entry.key.utf8.count == 1, let code = entry.key.utf8.first,
                (0x20...0x7e).contains(code)
            else {
                problems.add(
                    entry.position,
                    "\(Shown.text(entry.key)) is no code: a code is one printable ASCII character")
                continue
            }
            rules.append((entry.key, effect(of: entry, &problems)))
        }
        return ConditionRules(name: name, rules)
    }

    private static func effect(
        of entry: YAMLEntry, _ problems: inout ProblemList
    ) -> TradeEffect {
        guard let words = entry.value.sequence else {
            problems.add(
                entry.value.position,
                "\(Shown.text(entry.key)) has \(entry.value.kind): write a list of what it "
                    + "changes, of last, range and volume; [] is nothing")
            return .all
        }
        var effect: TradeEffect = []
        for word in words {
            let found = problems.choice(
                word, "code \(Shown.text(entry.key))",
                [("last", TradeEffect.last), ("range", .range), ("volume", .volume)])
            effect.formUnion(found ?? [])
        }
        return effect
    }
}
