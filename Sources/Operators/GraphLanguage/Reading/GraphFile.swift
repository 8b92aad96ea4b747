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
    /// The groups of sources, in the order of the file.
    var groups: [SourceGroups.Group] = []
    /// The nodes that are built so far, and the series by name with the node that makes them.
    var nodes: [BuiltNode] = []
    /// What nodes that are wrong would pass, by name.
    var flowsOfWrong: [String: Flow] = [:]
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
        let known = [
            "version", "name", "silent_after", "sources", "calendars", "conditions", "nodes",
        ]
        guard let fields = Fields(root, of: "the graph", known: known, &problems) else {
            return nil
        }
        _ = problems.integer(
            fields.required("version", of: "the graph", as: "1", &problems), "version", in: 1...1)
        let name = name(fields)
        let silentAfter = silentAfter(fields["silent_after"])
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
            name: name, nodes: nodes.map(\.node), calendars: calendars.compactMap(\.value),
            groups: SourceGroups(groups), silentAfter: silentAfter)
    }

    private mutating func name(_ fields: Fields) -> String? {
        guard let node = fields.required("name", of: "the graph", as: "production", &problems),
            let name = problems.text(node, "name"),
            checkName(name, at: node.position, of: "a graph")
        else { return nil }
        return name
    }

    /// Reports nodes and files that are not used, and a graph that publishes nothing.
    private mutating func checkUse(_ drafts: [NodeDraft]) {
        var used = Set(drafts.flatMap(\.feeders))
        used.formUnion(drafts.filter { $0.fields["live"] != nil }.map(\.name))
        for draft in drafts where draft.operation.passesTicks && !used.contains(draft.name) {
            problems.add(
                draft.position,
                "\(draft.owner): nobody takes its ticks: name it as an input, or remove it")
        }
        let publishes =
            drafts.contains { $0.operation == .bars || $0.operation == .aggregate }
            || GraphDefinition(name: "", nodes: nodes.map(\.node)).makesBars
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
