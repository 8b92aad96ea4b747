internal import Primitives

/// Combines the layers: flag over environment over file over default.
///
/// Pure: everything that it reads is passed in. An empty value is treated as not given, in every
/// layer, because compose writes that for a variable that is not set.
struct ConfigurationLoader {
    /// The largest file of one secret.
    static let secretBytesMax = 8_192

    let description: ServiceDescription
    let catalogue: KeyCatalogue
    let readFile: FileReading

    private(set) var problems: [String] = []
    private(set) var warnings: [String] = []
    /// The layers, strongest first.
    private var layers: [[String: Given]] = []

    /// A value in one layer.
    private struct Given {
        let text: String
        let source: ConfigurationSource
    }

    init(
        _ description: ServiceDescription, catalogue: KeyCatalogue,
        readFile: @escaping FileReading
    ) {
        self.description = description
        self.catalogue = catalogue
        self.readFile = readFile
    }

    /// Returns the configuration; `nil` when there are problems, all of which are then listed.
    mutating func load(
        _ arguments: CommandLineArguments, environment: [String: String]
    ) -> Configuration? {
        problems = arguments.problems
        layers.append(arguments.values.mapValues { Given(text: $0, source: .flag) })
        layers.append(environmentLayer(environment))
        if let path = arguments.configurationPath { layers.append(fileLayer(path)) }
        layers = layers.map { $0.filter { !$1.text.isEmpty } }
        var wrong: Set<String> = []
        let entries = description.keys.map { key in
            let before = problems.count
            let entry = entry(of: key)
            if problems.count > before { wrong.insert(key.name) }
            return entry
        }
        let configuration = Configuration(
            service: description.name, subcommand: arguments.subcommand,
            subcommandFlags: arguments.subcommandFlags, warnings: warnings, entries: entries)
        // Rules read values, which exist only if nothing was wrong with them before.
        let isSound = problems.isEmpty
        for rule in description.rules
        where isSound || rule.reads.map({ wrong.isDisjoint(with: $0) }) ?? false {
            let found = rule.problem(configuration) ?? ""
            problems += found.split(separator: "\n").map(String.init)
        }
        return problems.isEmpty ? configuration : nil
    }

    // MARK: layers

    private mutating func environmentLayer(_ environment: [String: String]) -> [String: Given] {
        var layer: [String: Given] = [:]
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            if KeyCatalogue.isServiceLink(name, value) {
                guard description.names.contains(name) else { continue }
                warnings.append(
                    "\(name) holds the address of a Kubernetes Service and is left out: "
                        + "set enableServiceLinks to false, or \(name) itself")
            } else if description.names.contains(name) {
                layer[name] = Given(text: value, source: .environment)
            } else {
                checkForeign(name)
            }
        }
        return layer
    }

    /// Handles a variable that is not this service's: another service's, another program's, or a
    /// mistake.
    private mutating func checkForeign(_ name: String) {
        guard !catalogue.names.contains(name), !catalogue.foreignNames.contains(name) else {
            return
        }
        if catalogue.claims(name) {
            problems.append(unknown(name, .environment))
        } else if let near = NearestName.of(name, in: description.names),
            NearestName.distance(Array(name), Array(near), limit: 1) <= 1
        {
            warnings.append(
                "\(PrintableText.name(name)) (environment) is not known: is it \(near)?")
        }
    }

    private mutating func fileLayer(_ path: String) -> [String: Given] {
        let shownPath = PrintableText.text(path)
        let content: FileContent
        switch readFile(path, EnvironmentFile.bytesMax) {
        case .success(let read): content = read
        case .failure(let problem):
            problems.append("\(shownPath) (--config) \(problem)")
            return [:]
        }
        let file = EnvironmentFile(content.bytes)
        problems += file.problems.map { "\(shownPath) line \($0.line): \($0.text)" }
        var layer: [String: Given] = [:]
        for entry in file.entries {
            let source = ConfigurationSource.file(path: shownPath, line: entry.line)
            if description.names.contains(entry.name) {
                layer[entry.name] = Given(text: entry.value, source: source)
            } else if !catalogue.names.contains(entry.name) {
                problems.append(unknown(entry.name, source))
            }
        }
        warnAboutSecrets(in: layer, path: shownPath, mode: content.mode)
        return layer
    }

    private mutating func warnAboutSecrets(
        in layer: [String: Given], path: String, mode: UInt32
    ) {
        let holdsSecret = description.keys.contains {
            $0.isSecret && layer[$0.name]?.text.isEmpty == false
        }
        if holdsSecret, PrintableText.isLoose(mode) {
            warnings.append(PrintableText.looseness(of: path, mode))
        }
    }

    private func unknown(_ name: String, _ source: ConfigurationSource) -> String {
        let known = description.names.union(catalogue.names)
        // In a damaged file any text may come before an equals sign.
        let shown = name == name.uppercased() ? PrintableText.name(name) : "a name in small letters"
        if let plain = KeyCatalogue.withoutTLS.first(where: { name.hasPrefix($0.prefix) }) {
            return "\(shown) (\(source)): \(plain.reason)"
        }
        if name.hasSuffix("_FILE"), known.contains(String(name.dropLast(5))) {
            return "\(shown) (\(source)) is not known: only secrets are read from files"
        }
        let near = NearestName.of(name, in: known).map { ": did you mean \($0)?" } ?? ""
        return "\(shown) (\(source)) is not known\(near)"
    }

    // MARK: values

    private mutating func entry(of key: ConfigurationKey) -> Configuration.Entry {
        for layer in layers {
            let value = layer[key.name]
            let file = key.fileName.flatMap { layer[$0] }
            if let value, file != nil {
                problems.append(
                    "\(key.name) and \(key.name)_FILE (\(value.source)) are both set: keep one")
                return empty(key)
            }
            if let file { return secret(key, from: file) }
            if let value { return checked(key, value.text, value.source) }
        }
        if let text = key.defaultValue, !text.isEmpty { return checked(key, text, .default) }
        if key.required {
            problems.append(
                "\(key.names.joined(separator: " or ")) is not set, and is required: "
                    + PrintableText.asClause(key.help))
        }
        return empty(key)
    }

    private mutating func checked(
        _ key: ConfigurationKey, _ text: String, _ source: ConfigurationSource
    ) -> Configuration.Entry {
        switch key.kind.parse(text) {
        case .success(let value):
            let kept = key.isSecret ? ConfigurationValue.secret(Secret(text)) : value
            return Configuration.Entry(
                key: key, value: kept, shown: key.isSecret ? Secret.redacted : text,
                source: source)
        case .failure(let expected):
            problems.append(problem(key, text, source, expected))
            return empty(key)
        }
    }

    private func problem(
        _ key: ConfigurationKey, _ text: String, _ source: ConfigurationSource,
        _ expected: Expectation
    ) -> String {
        let name = source == .flag ? key.flag : "\(key.name) (\(source))"
        if key.isSecret { return "\(name) \(expected)" }
        switch key.kind {
        case .url, .urls:
            // The part before the @ may be a password, wherever it is.
            if ConfigurationKey.Kind.carriesUser(text) {
                return "\(name) must not carry a user or password: they have keys of their own"
            }
        case .text, .name, .integer, .real, .flag, .duration, .durationOr, .byteCount, .choice,
            .list:
            break
        }
        return "\(name) is \"\(PrintableText.text(text))\": \(expected)"
    }

    private mutating func secret(
        _ key: ConfigurationKey, from given: Given
    ) -> Configuration.Entry {
        let path = PrintableText.secretPath(given.text)
        let name = "\(key.name)_FILE (\(given.source))"
        switch readFile(given.text, Self.secretBytesMax) {
        case .failure(let problem):
            problems.append("\(name): \(path) \(problem)")
            return empty(key)
        case .success(let content):
            guard let text = Self.secret(in: content) else {
                problems.append("\(name): \(path) is not a text in UTF-8")
                return empty(key)
            }
            guard !text.isEmpty else {
                problems.append("\(name): \(path) is empty")
                return empty(key)
            }
            if PrintableText.isLoose(content.mode) {
                warnings.append(PrintableText.looseness(of: path, content.mode))
            }
            var entry = checked(key, text, .secretFile(path: path, named: given.source))
            let (readFile, file, kind) = (readFile, given.text, key.kind)
            entry.reread = {
                guard case .success(let content) = readFile(file, Self.secretBytesMax),
                    let text = Self.secret(in: content), !text.isEmpty,
                    case .success = kind.parse(text)
                else { return nil }
                return text
            }
            return entry
        }
    }

    /// Returns the secret of a file, without the one newline that comes from an editor. A second
    /// one would be part of the secret, and is refused. `nil`: it is no text.
    private static func secret(in content: FileContent) -> String? {
        guard var text = String(validating: content.bytes, as: UTF8.self) else { return nil }
        if text.last == "\r\n" || text.last == "\n" { text.removeLast() }
        return text
    }

    private func empty(_ key: ConfigurationKey) -> Configuration.Entry {
        Configuration.Entry(key: key, value: nil, shown: "", source: .notSet)
    }
}
