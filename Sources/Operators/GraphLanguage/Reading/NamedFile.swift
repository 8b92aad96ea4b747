internal import StreamCore
internal import YAMLFile

/// A calendar or table that nodes use by its name.
struct NamedFile<Value> {
    let name: String
    /// The contents; `nil` when they are wrong, which was already reported.
    let value: Value?
    let position: YAMLPosition
    /// Whether the graph lists its path. Otherwise it was found beside the graph.
    let isListed: Bool
    var isUsed = false
}

extension GraphReader {
    mutating func readFiles(_ fields: Fields) {
        for file in paths(fields["calendars"], "calendars") { readCalendar(file, isListed: true) }
        for file in paths(fields["conditions"], "conditions") {
            readConditions(file, isListed: true)
        }
    }

    private typealias ListedFile = (name: String, path: String, position: YAMLPosition)

    private mutating func paths(_ node: YAMLNode?, _ what: String) -> [ListedFile] {
        guard let node else { return [] }
        guard let entries = node.mapping else {
            problems.add(
                node.position,
                "\(what) is \(node.kind): write names with paths, as "
                    + "'nyse: calendars/nyse.yaml'")
            return []
        }
        return entries.compactMap { entry in
            guard checkName(entry.key, at: entry.position, of: what),
                let path = problems.text(entry.value, "\(what): \(entry.key)")
            else { return nil }
            return (entry.key, beside(path), entry.position)
        }
    }

    /// Returns a path relative to the graph file's folder.
    private func beside(_ relative: String) -> String {
        guard relative.utf8.first != UInt8(ascii: "/"), let end = path.lastIndex(of: "/") else {
            return relative
        }
        return path[...end] + relative
    }

    private mutating func readCalendar(_ file: ListedFile, isListed: Bool) {
        calendars.append(read(file, isListed, CalendarFile.read))
    }

    private mutating func readConditions(_ file: ListedFile, isListed: Bool) {
        conditions.append(read(file, isListed, ConditionsFile.read))
    }

    private mutating func read<Value>(
        _ file: ListedFile, _ isListed: Bool,
        _ read: (String, GraphFiles, inout ProblemList) -> Value?
    ) -> NamedFile<Value> {
        var found = ProblemList(file: file.path)
        let value = read(file.name, files, &found)
        problems.add(found)
        return NamedFile(
            name: file.name, value: found.isEmpty ? value : nil, position: file.position,
            isListed: isListed)
    }

    /// Marks a calendar as used. Reads one that the graph does not list from beside the graph.
    mutating func use(calendar name: String, at position: YAMLPosition) {
        if !calendars.contains(where: { $0.name == name }) {
            guard checkName(name, at: position, of: "a calendar") else { return }
            readCalendar((name, beside("calendars/\(name).yaml"), position), isListed: false)
        }
        for index in calendars.indices where calendars[index].name == name {
            calendars[index].isUsed = true
        }
    }

    mutating func use(conditions name: String, at position: YAMLPosition) -> ConditionRules? {
        if !conditions.contains(where: { $0.name == name }) {
            guard checkName(name, at: position, of: "a table of conditions") else { return nil }
            readConditions((name, beside("conditions/\(name).yaml"), position), isListed: false)
        }
        guard let index = conditions.firstIndex(where: { $0.name == name }) else { return nil }
        conditions[index].isUsed = true
        return conditions[index].value
    }
}
