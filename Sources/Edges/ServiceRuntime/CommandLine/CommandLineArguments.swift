internal import Primitives

/// The parsed arguments of a service. Their values are not checked yet.
///
/// A problem never repeats a text that may be a value, because it may be a password in the wrong
/// place.
struct CommandLineArguments {
    private(set) var action: BuiltInFlag?
    private(set) var subcommand: String?
    /// The flags of the subcommand.
    private(set) var subcommandFlags: Set<String> = []
    private(set) var configurationPath: String?
    /// The question to answer instead of running, and its value.
    private(set) var question: (asked: ServiceDescription.Question, value: String)?
    /// The values by the name of the key.
    private(set) var values: [String: String] = [:]
    private(set) var problems: [String] = []

    private let description: ServiceDescription
    private let catalogue: KeyCatalogue
    private var rest: ArraySlice<String>
    private var position = 0

    /// `arguments` without the program's name.
    init(_ arguments: [String], of description: ServiceDescription, catalogue: KeyCatalogue) {
        self.description = description
        self.catalogue = catalogue
        rest = arguments[...]
        while let argument = rest.popFirst() {
            position += 1
            if argument == "-h" {
                choose(.help)
            } else if argument.hasPrefix("-") && argument != "-" {
                option(argument)
            } else {
                word(argument)
            }
        }
        checkSubcommandFlags()
    }

    // MARK: options

    private mutating func option(_ argument: String) {
        let equals = argument.firstIndex(of: "=")
        let flag = equals.map { String(argument[..<$0]) } ?? argument
        let attached = equals.map { String(argument[argument.index(after: $0)...]) }
        if let builtIn = BuiltInFlag(rawValue: flag) {
            self.builtIn(builtIn, attached)
        } else if let asked = description.questions.first(where: { $0.flag == flag }) {
            ask(asked, attached)
        } else if description.subcommands.contains(where: { $0.has(flag) }) {
            if attached != nil { problems.append("\(flag) takes no value") }
            subcommandFlags.insert(flag)
        } else if let key = description.keys.first(where: { $0.flag == flag }) {
            self.key(key, attached)
        } else if let key = fileKey(of: flag) {
            store(key.name + "_FILE", flag, attached ?? value(of: flag))
        } else {
            unknown(flag, attached)
        }
    }

    private mutating func builtIn(_ flag: BuiltInFlag, _ attached: String?) {
        guard flag == .config else {
            if attached != nil { problems.append("\(flag.rawValue) takes no value") }
            choose(flag)
            return
        }
        guard let path = attached ?? value(of: flag.rawValue) else { return }
        if path.isEmpty { problems.append("--config needs the path of a file") }
        if configurationPath != nil { problems.append("--config is given twice") }
        configurationPath = path
    }

    private mutating func ask(_ asked: ServiceDescription.Question, _ attached: String?) {
        guard let value = attached ?? value(of: asked.flag) else { return }
        if value.isEmpty { problems.append("\(asked.flag) needs a value") }
        if question != nil { problems.append("\(asked.flag): one question at a time") }
        question = (asked, value)
    }

    /// Chooses the action: `--help` before `--version`, both before all others; among the others
    /// the first one wins.
    private mutating func choose(_ flag: BuiltInFlag) {
        switch action {
        case .none: action = flag
        case .help: break
        case .version: if flag == .help { action = flag }
        case .config, .printConfiguration, .checkConfiguration, .probeAlive, .probeReady:
            if flag == .help || flag == .version { action = flag }
        }
    }

    private mutating func key(_ key: ConfigurationKey, _ attached: String?) {
        if key.isSecret {
            // The value is skipped, whatever it looks like, so that no problem repeats it.
            if attached == nil, rest.popFirst() != nil { position += 1 }
            problems.append(
                "\(key.flag) would show a secret to everybody on this machine: "
                    + "use \(key.name)_FILE or \(key.name) in the environment")
        } else if let attached {
            store(key.name, key.flag, attached)
        } else if key.kind == .flag {
            // A flag without a value is true. A truth value after it belongs to it.
            let next = rest.first.flatMap { ConfigurationKey.Kind.flag($0) }
            if next != nil { skipValue() }
            store(key.name, key.flag, next == false ? "false" : "true")
        } else {
            store(key.name, key.flag, value(of: key.flag))
        }
    }

    /// Stores a value. A missing value (`nil`) was reported before.
    private mutating func store(_ name: String, _ flag: String, _ value: String?) {
        guard let value else { return }
        if values[name] != nil { problems.append("\(flag) is given twice") }
        values[name] = value
    }

    private mutating func value(of flag: String) -> String? {
        guard let next = rest.first, Self.canBeValue(next) else {
            problems.append("\(flag) needs a value")
            return nil
        }
        skipValue()
        return next
    }

    private mutating func skipValue() {
        guard let next = rest.first, Self.canBeValue(next) else { return }
        rest.removeFirst()
        position += 1
    }

    /// Returns whether a separate argument may be the value of the flag before it. One that looks
    /// like a flag has to be attached (`--key=--value`).
    private static func canBeValue(_ argument: String) -> Bool {
        !argument.hasPrefix("--") && argument != "-h"
    }

    private func fileKey(of flag: String) -> ConfigurationKey? {
        description.keys.first { key in key.fileName.map(ConfigurationKey.flag(of:)) == flag }
    }

    private mutating func unknown(_ flag: String, _ attached: String?) {
        // The next argument is most likely its value.
        if attached == nil { skipValue() }
        let shown = PrintableText.name(flag)
        if catalogue.names.contains(where: { ConfigurationKey.flag(of: $0) == flag }) {
            problems.append("\(shown) is a setting of another service, not of \(description.name)")
            return
        }
        let flags =
            description.names.map { ConfigurationKey.flag(of: $0) }
            + description.questions.map(\.flag)
            + description.subcommands.flatMap(\.flags).map(\.name)
        let known = flags + BuiltInFlag.allCases.map(\.rawValue)
        let near = NearestName.of(flag, in: known).map { ": did you mean \($0)?" }
        problems.append("\(shown) is not known\(near ?? ": see --help")")
    }

    /// Checks the flags of the subcommand, which may come before or after its name.
    private mutating func checkSubcommandFlags() {
        for flag in subcommandFlags.sorted() {
            let owners = description.subcommands.filter { $0.has(flag) }.map(\.name)
            guard !owners.contains(where: { $0 == subcommand }) else { continue }
            problems.append("\(flag) belongs to \(owners.joined(separator: ", "))")
        }
    }

    // MARK: words

    private mutating func word(_ argument: String) {
        let names = description.subcommands.map(\.name)
        if names.contains(argument) {
            if let subcommand {
                problems.append("both \(subcommand) and \(argument) are asked for")
            }
            subcommand = argument
        } else if names.isEmpty {
            problems.append("argument \(position) is no flag, and there are no subcommands")
        } else if let near = NearestName.of(argument, in: names) {
            problems.append("argument \(position) is no subcommand: did you mean \(near)?")
        } else {
            problems.append(
                "argument \(position) is neither a flag nor a subcommand "
                    + "(\(names.joined(separator: ", ")))")
        }
    }
}

extension ServiceDescription.Subcommand {
    fileprivate func has(_ flag: String) -> Bool { flags.contains { $0.name == flag } }
}
