internal import MarketModel
internal import OperatorGraph
internal import StreamCore
internal import YAMLFile

// Reads what a graph has to know of its sources.
extension GraphReader {
    /// Reads how long a source may be silent.
    mutating func silentAfter(_ node: YAMLNode?) -> Int64 {
        guard let node else { return GraphDefinition.silentAfterUsual }
        return problems.duration(node, "silent_after", in: GraphDefinition.silentAfterRange)
            ?? GraphDefinition.silentAfterUsual
    }

    /// Reads a mapping such as `sources: {ibkr: {members: [ibkr-a, ibkr-b], time_resolution: 1s}}`.
    mutating func readSources(_ node: YAMLNode?) {
        guard let node else { return }
        guard let sources = node.mapping else {
            problems.add(
                node.position, "sources is \(node.kind): write 'ibkr: {time_resolution: 1s}'")
            return
        }
        for entry in sources { readSource(entry) }
    }

    private mutating func readSource(_ entry: YAMLEntry) {
        let owner = "source \(Shown.text(entry.key))"
        let known = ["members", "time_resolution"]
        guard let fields = Fields(entry.value, of: owner, known: known, &problems) else { return }
        guard fields["members"] != nil || fields["time_resolution"] != nil else {
            problems.add(entry.position, "\(owner): write members or time_resolution")
            return
        }
        if let node = fields["time_resolution"] {
            let resolution = problems.duration(
                node, "\(owner): time_resolution", in: 1...86_400_000_000_000)
            if let resolution, resolution > self.resolution?.nanoseconds ?? 0 {
                self.resolution = (resolution, entry.key)
            }
        }
        if let node = fields["members"] { readGroup(node, entry, owner) }
    }

    private mutating func readGroup(_ node: YAMLNode, _ entry: YAMLEntry, _ owner: String) {
        guard let name = SourceName(entry.key) else {
            problems.add(entry.position, "\(owner): this is no name of a source")
            return
        }
        let what = "\(owner): members"
        checkIsFree(name, asGroup: true, owner, at: entry.position)
        let items = problems.list(node, what, as: "[\(entry.key)-a, \(entry.key)-b]") ?? []
        var members: [SourceName] = []
        for item in items {
            guard let text = problems.text(item, what) else { continue }
            guard let member = SourceName(text) else {
                problems.add(item.position, "\(what): \(Shown.text(text)) is no name of a source")
                continue
            }
            if member == name {
                problems.add(
                    item.position,
                    "\(what): a source with the group's name is a member in any case: leave it out")
            } else if members.contains(member) {
                problems.add(item.position, "\(what): \(Shown.text(text)) is there twice")
            } else {
                checkIsFree(member, asGroup: false, what, at: item.position)
            }
            members.append(member)
        }
        guard groups.count < SourceGroups.groupsMax, members.count <= StreamLimits.sourcesMax else {
            problems.add(
                node.position,
                "\(what): at most \(SourceGroups.groupsMax) groups of "
                    + "\(StreamLimits.sourcesMax) members")
            return
        }
        groups.append(SourceGroups.Group(name: name, members: members))
    }

    /// Reports a name of a group or of a member that Tapeline uses itself, or that an earlier group
    /// uses: in two places, the ticks of one source would belong to two groups.
    private mutating func checkIsFree(
        _ name: SourceName, asGroup: Bool, _ what: String, at position: YAMLPosition
    ) {
        let shown = Shown.text(name.text)
        if [.operator, .universe, .manual].contains(name) {
            problems.add(
                position, "\(what): \(shown) is the name of what Tapeline itself puts on the tape")
        }
        for group in groups {
            if group.members.contains(name) {
                problems.add(
                    position,
                    "\(what): \(shown) is a member of the group \(group.name) already")
            } else if !asGroup, group.name == name {
                problems.add(
                    position, "\(what): \(shown) is a group: a group has sources as members")
            }
        }
    }
}
