internal import MarketModel
import Primitives

/// One source of a stack: what its ticks are, and the settings of its gateway.
struct StackSource: Equatable, Sendable {
    let namespace: String
    let name: String
    /// As in `GATEWAY_PROVIDER`.
    let provider: String
    /// True if its ticks are those of the stack's simulated broker.
    let isSimulated: Bool
    /// The settings of its gateway and of the simulated broker.
    var settings: StackSettings

    /// The source that the options of `up` ask for.
    init(_ settings: StackSettings, isSimulated: Bool) {
        namespace = settings.namespace
        provider =
            settings["GATEWAY_PROVIDER"]
            ?? (isSimulated ? SimulatedVenue.ibkr.rawValue : "synthetic")
        // As the gateway names a source: like its first provider.
        name =
            settings["GATEWAY_SOURCE"]
            ?? provider.split(separator: ",").first.map(String.init) ?? provider
        self.isSimulated = isSimulated
        self.settings = settings.limited(to: [.gateway, .simulator])
    }

    /// The simulators that feed it.
    var simulators: [SimulatedVenue] { isSimulated ? SimulatedVenue.all(of: provider) : [] }

    /// True if the ticks of both are of the same kind and belong together.
    func hasSameTicks(as other: StackSource) -> Bool {
        (namespace, name, provider, isSimulated)
            == (other.namespace, other.name, other.provider, other.isSimulated)
    }

    /// The source for people: `ibkr`, `ibkr (simulated)`, `main (provider ibkr)`.
    var title: String {
        let remarks =
            (provider == name ? [] : ["provider \(provider)"]) + (isSimulated ? ["simulated"] : [])
        return remarks.isEmpty ? name : "\(name) (\(remarks.joined(separator: ", ")))"
    }

    /// The arguments of `up` that ask for it.
    var arguments: [String] { (isSimulated ? ["--simulator"] : []) + settings.arguments }

    // MARK: JSON

    init?(_ json: JSONValue) {
        guard let namespace = json["namespace"]?.string, let name = json["source"]?.string,
            let provider = json["provider"]?.string, let isSimulated = json["simulated"]?.bool,
            let texts = json["settings"]?.array?.map(\.string)
        else { return nil }
        var settings = StackSettings()
        do throws(ToolError) {
            for text in texts { try settings.add(text ?? "") }
        } catch {
            return nil
        }
        self.namespace = namespace
        self.name = name
        self.provider = provider
        self.isSimulated = isSimulated
        self.settings = settings
    }

    func write(into writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("namespace", namespace)
            writer.member("source", name)
            writer.member("provider", provider)
            writer.member("simulated", isSimulated)
            writer.array("settings") { writer in
                for (key, value) in settings.values { writer.value("\(key)=\(value)") }
            }
        }
    }
}

/// The sources that have put ticks into a stack, in the order in which they came, as a file of the
/// stack. `up` refuses any other one, so that made-up ticks never get among real ones because a
/// setting was forgotten.
struct StackSources: Equatable, Sendable {
    /// The most sources of a stack.
    static let countMax = 16

    /// The version of the file, by the rule of `VersionedJSON`.
    private static let version = 1

    private(set) var all: [StackSource] = []

    init(_ all: [StackSource] = []) { self.all = all }

    /// Returns the sources of the tape of this namespace.
    func of(namespace: String) -> [StackSource] { all.filter { $0.namespace == namespace } }

    /// Returns the first source if these settings say nothing of one, and the stack has none like
    /// that: an `up` without words goes on with what the stack has.
    func meant(by settings: StackSettings) -> StackSource? {
        let wanted = StackSource(settings, isSimulated: false)
        let present = of(namespace: wanted.namespace)
        guard wanted.settings == StackSettings(),
            !present.contains(where: { $0.hasSameTicks(as: wanted) })
        else { return nil }
        return present.first
    }

    /// Returns the source that a start without a person goes on with: the one with these ticks, or
    /// the first one if these settings say nothing of one.
    func resumed(by settings: StackSettings, isSimulated: Bool) -> StackSource? {
        let wanted = StackSource(settings, isSimulated: isSimulated)
        let present = of(namespace: wanted.namespace)
        guard isSimulated || wanted.settings != StackSettings() else { return present.first }
        return present.first { $0.hasSameTicks(as: wanted) }
    }

    /// Takes in the source that a person asked for, with its present settings. Throws if the stack
    /// has ticks of another kind, unless it is to be added beside them.
    mutating func take(
        _ wanted: StackSource, adding isAdded: Bool, to home: StackHome
    ) throws(ToolError) {
        if let index = all.firstIndex(where: { $0.hasSameTicks(as: wanted) }) {
            all[index].settings = wanted.settings
            return
        }
        let present = of(namespace: wanted.namespace)
        if let same = present.first(where: { $0.name == wanted.name }) {
            throw .usage(
                "the stack \(home.name) has ticks of \(same.title), not of \(wanted.title): "
                    + "nothing was changed. \(Self.goOn(present, home)); use another stack "
                    + "(--name NAME), or add a source of another name beside it (--add-source "
                    + "--set GATEWAY_SOURCE=NAME)")
        }
        guard present.isEmpty || isAdded else {
            let titles = present.map(\.title).joined(separator: " and ")
            throw .usage(
                "the stack \(home.name) has ticks of \(titles), not of \(wanted.title): nothing "
                    + "was changed. \(Self.goOn(present, home)); use another stack (--name NAME), "
                    + "or add the source beside it (--add-source)")
        }
        guard present.count < Self.countMax else {
            throw .usage("a stack has \(Self.countMax) sources at most")
        }
        all.append(wanted)
    }

    /// Throws if gateways of other sources have run in a stack that has no file of its sources yet.
    /// Each gateway has a folder for its spool, which is called like its source.
    static func refuse(_ wanted: StackSource, besideThoseOf home: StackHome) throws(ToolError) {
        let present = FileSystem.names(in: home.spool).filter { !$0.hasPrefix(".") }
            .compactMap { SourceName($0) }.sorted()
        guard !present.isEmpty, !present.contains(where: { $0.text == wanted.name }) else { return }
        let names = present.map(\.text).joined(separator: " and ")
        throw .usage(
            "the stack \(home.name) has ticks of \(names), not of \(wanted.title): nothing was "
                + "changed. Use the settings of \(names), or another stack (--name NAME), or add "
                + "the source beside it (--add-source)")
    }

    private static func goOn(_ present: [StackSource], _ home: StackHome) -> String {
        let commands = present.map { source in
            let words = [home.command("up")] + source.arguments
            return "'\(words.joined(separator: " "))'"
        }
        return "Go on with \(commands.joined(separator: " or "))"
    }

    // MARK: the file

    /// Returns none before the first start.
    static func read(_ home: StackHome) throws(ToolError) -> StackSources {
        guard let bytes = try FileSystem.read(home.sources) else { return StackSources() }
        do throws(VersionedJSON.Refusal) {
            let entries = try VersionedJSON.read(bytes, upTo: version)["sources"]?.array
            let sources = entries?.compactMap { StackSource($0) }
            guard let sources, sources.count == entries?.count else {
                throw .damaged("no sources of a stack")
            }
            return StackSources(sources)
        } catch {
            // What a newer release noted is not to be removed.
            throw error.isNewer
                ? .refused("\(home.sources): \(error)")
                : .damaged(path: home.sources, problem: "\(error)")
        }
    }

    func write(_ home: StackHome) throws(ToolError) {
        var writer = JSONWriter()
        writer.object(version: Self.version) { writer in
            writer.array("sources") { writer in for source in all { source.write(into: &writer) } }
        }
        try FileSystem.write(writer.bytes + Array("\n".utf8), to: home.sources)
    }
}
