package import OperatorGraph
internal import StreamCore
internal import YAMLFile

/// Reads the file of a graph, with the calendars and tables that it names.
package enum GraphFile {
    /// Reads the graph. Throws all problems together.
    package static func read(
        _ path: String, _ files: GraphFiles
    ) throws(GraphProblems) -> GraphDefinition {
        var reader = GraphReader(path: path, files: files)
        let definition = reader.definition()
        if let definition, reader.problems.isEmpty { return definition }
        throw reader.problems.sorted
    }
}

/// The state while one file is read.
struct GraphReader {
    var problems: ProblemList
    let path: String
    let files: GraphFiles
    /// The names of all nodes of the file, right or wrong.
    var names: [String] = []
    /// Calendars and tables by the names that nodes use.
    var calendars: [NamedFile<SessionCalendar>] = []
    var conditions: [NamedFile<ConditionRules>] = []
    /// The coarsest time resolution of the sources, with the source that has it; `nil` when none is
    /// given.
    var resolution: (nanoseconds: Int64, source: String)?
    /// The nodes that are built so far, and the series by name with the node that makes them.
    var nodes: [BuiltNode] = []
    var series: [String: (node: Int, series: BarSeries)] = [:]
    /// The names of series and of other lists of late ticks, with their places.
    var seriesNames: [String: YAMLPosition] = [:]
    /// Whether a node that makes series is wrong. Then a series that is not found may be one of its
    /// series, and is not reported.
    var isSeriesMissing = false

    init(path: String, files: GraphFiles) {
        self.path = path
        self.files = files
        problems = ProblemList(file: path)
    }

    mutating func definition() -> GraphDefinition? {
        guard let root = ProblemList.load(path, files, &problems) else { return nil }
        let known = ["version", "name", "sources", "calendars", "conditions", "nodes"]
        guard let fields = Fields(root, of: "the graph", known: known, &problems) else {
            return nil
        }
        _ = problems.integer(
            fields.required("version", of: "the graph", as: "1", &problems), "version", in: 1...1)
        let name = name(fields)
        readSources(fields["sources"])
        readFiles(fields)
        guard let node = fields.required("nodes", of: "the graph", as: "...", &problems) else {
            return nil
        }
        names = (node.mapping ?? []).map(\.key)
        var drafts = drafts(node)
        checkSources(&drafts)
        for draft in ordered(drafts) { build(draft) }
        checkUse(drafts)
        guard problems.isEmpty, let name else { return nil }
        return GraphDefinition(
            name: name, nodes: nodes.map(\.node), calendars: calendars.compactMap(\.value))
    }

    private mutating func name(_ fields: Fields) -> String? {
        guard let node = fields.required("name", of: "the graph", as: "production", &problems),
            let name = problems.text(node, "name"),
            checkName(name, at: node.position, of: "a graph")
        else { return nil }
        return name
    }

    /// Reads a mapping such as `sources: {ibkr: {time_resolution: 1s}}`.
    private mutating func readSources(_ node: YAMLNode?) {
        guard let node else { return }
        guard let sources = node.mapping else {
            problems.add(
                node.position, "sources is \(node.kind): write 'ibkr: {time_resolution: 1s}'")
            return
        }
        for entry in sources {
            let owner = "source \(Shown.text(entry.key))"
            guard
                let fields = Fields(
                    entry.value, of: owner, known: ["time_resolution"], &problems)
            else { continue }
            let resolution = problems.duration(
                fields.required("time_resolution", of: owner, as: "1s", &problems),
                "\(owner): time_resolution", in: 1...86_400_000_000_000)
            if let resolution, resolution > self.resolution?.nanoseconds ?? 0 {
                self.resolution = (resolution, entry.key)
            }
        }
    }

    /// Reports nodes and files that are not used, and a graph that publishes nothing.
    private mutating func checkUse(_ drafts: [NodeDraft]) {
        var used = Set(drafts.compactMap { $0.source?.node })
        used.formUnion(drafts.filter { $0.fields["live"] != nil }.map(\.name))
        for draft in drafts where draft.operation.passesTicks && !used.contains(draft.name) {
            problems.add(
                draft.position,
                "\(draft.owner): nobody takes its ticks: name it as an input, or remove it")
        }
        let publishes = drafts.contains { $0.operation == .bars || $0.operation == .aggregate }
        if !publishes, problems.isEmpty {
            problems.add(nil, "no node makes bars or aggregates: nothing would be published")
        }
        let unusedCalendars = calendars.filter { $0.isListed && !$0.isUsed }.map {
            ($0, "calendar")
        }
        for (file, kind) in unusedCalendars {
            problems.add(file.position, "\(kind) \(file.name) is used by no node: remove it")
        }
        for file in conditions where file.isListed && !file.isUsed {
            problems.add(file.position, "conditions \(file.name) are used by no node: remove them")
        }
        if problems.isEmpty { calendars.removeAll { !$0.isUsed } }
    }
}
