import ServiceRuntime

/// Where a deployment's settings and secrets are: this shell, and the processes of a local stack.
struct SecretSources: Sendable {
    /// Every secret that is known here.
    private(set) var secrets: Set<String> = []
    /// The settings of our own keys. A secret is named, and its value is not there.
    private(set) var configuration = ""

    private static let secretBytesMax = 4_096
    private static let environmentBytesMax = 1 << 20

    init(
        _ deployment: Deployment, _ environment: [String: String], _ target: TapeTarget
    ) throws(ToolError) {
        add("this shell", environment)
        if let url = target.natsURL { addUser(of: url) }
        guard let home = deployment.home else { return }
        let own = try StackSecrets.open(home)
        secrets.formUnion(StackSecrets.Name.allCases.map { own[$0] })
        for unit in try StackState.read(home)?.alive ?? [] {
            guard let id = unit.process?.id else { continue }
            let bytes = FileSystem.piece(
                of: "/proc/\(id)/environ", from: 0, bytesMax: Self.environmentBytesMax)
            var values: [String: String] = [:]
            for entry in bytes.split(separator: 0) {
                let text = String(decoding: entry, as: UTF8.self)
                guard let equals = text.firstIndex(of: "=") else { continue }
                values[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            add(unit.name, values)
        }
    }

    private mutating func add(_ place: String, _ values: [String: String]) {
        configuration += "# \(place)\n"
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            note(name, value)
            let isOurs = KeyCatalogue.product.names.contains(name)
            guard isOurs || KeyCatalogue.product.foreignNames.contains(name) else { continue }
            configuration += "\(name)=\(SecretFilter.isSecret(name) ? "[secret]" : value)\n"
        }
        configuration += "\n"
    }

    /// Notes what of a variable is secret: its value, the content of the file that it names, or the
    /// user of its URL.
    private mutating func note(_ name: String, _ value: String) {
        addUser(of: value)
        if SecretFilter.isSecret(name) { secrets.insert(value) }
        let file = "_FILE"
        guard name.hasSuffix(file), SecretFilter.isSecret(String(name.dropLast(file.count))) else {
            return
        }
        let bytes = FileSystem.piece(of: value, from: 0, bytesMax: Self.secretBytesMax)
        let text = String(decoding: bytes, as: UTF8.self)
        secrets.insert(String(text.split(whereSeparator: \.isNewline).first ?? ""))
    }

    /// Notes the password of each URL in the text; without one, the user may be a token.
    private mutating func addUser(of text: String) {
        for url in text.split(separator: ",") {
            guard let start = url.firstRange(of: "://")?.upperBound,
                let at = url[start...].lastIndex(of: "@")
            else { continue }
            let user = url[start..<at]
            secrets.insert(String(user.split(separator: ":", maxSplits: 1).last ?? user))
        }
    }
}
