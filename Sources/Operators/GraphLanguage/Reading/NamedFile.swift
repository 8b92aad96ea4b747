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
        for (name, path, position) in paths(fields["calendars"], "calendars") {
            readCalendar(name, path, position, isListed: true)
        }
        for (name, path, position) in paths(fields["conditions"], "conditions") {
            readConditions(name, path, position, isListed: true)
        }
    }

    private mutating func paths(
        _ node: YAMLNode?, _ what: String
    ) -> [(name: String, path: String, position: YAMLPosition)] {
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

    private mutating func readCalendar(
        _ name: String, _ path: String, _ position: YAMLPosition, isListed: Bool
    ) {
        var found = ProblemList(file: path)
        let calendar = CalendarFile.read(name: name, files, &found)
        problems.add(found)
        calendars.append(
            NamedFile(
                name: name, value: found.isEmpty ? calendar : nil, position: position,
                isListed: isListed))
    }

    private mutating func readConditions(
        _ name: String, _ path: String, _ position: YAMLPosition, isListed: Bool
    ) {
        var found = ProblemList(file: path)
        let rules = ConditionsFile.read(name: name, files, &found)
        problems.add(found)
        conditions.append(
            NamedFile(
                name: name, value: found.isEmpty ? rules : nil, position: position,
                isListed: isListed))
    }

    /// Marks a calendar as used. Reads one that the graph does not list from beside the graph.
    mutating func use(calendar name: String, at position: YAMLPosition) {
        if !calendars.contains(where: { $0.name == name }) {
            guard checkName(name, at: position, of: "a calendar") else { return }
            readCalendar(name, beside("calendars/\(name).yaml"), position, isListed: false)
        }
        for index in calendars.indices where calendars[index].name == name {
            calendars[index].isUsed = true
        }
    }

    mutating func use(conditions name: String, at position: YAMLPosition) -> ConditionRules? {
        if !conditions.contains(where: { $0.name == name }) {
            guard checkName(name, at: position, of: "a table of conditions") else { return nil }
            readConditions(name, beside("conditions/\(name).yaml"), position, isListed: false)
        }
        guard let index = conditions.firstIndex(where: { $0.name == name }) else { return nil }
        conditions[index].isUsed = true
        return conditions[index].value
    }
}
