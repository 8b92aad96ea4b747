import ServiceRuntime

/// The people who may change something, each with the SHA-256 of a token. Pure.
struct People: Equatable, Sendable {
    /// The most people.
    static let countMax = 256
    static let nameBytesMax = 64
    static let fileBytesMax = 65_536
    private static let digits = 64

    private var names: [(name: String, digest: String)] = []

    init() {}

    static func == (one: People, other: People) -> Bool {
        one.names.elementsEqual(other.names) { $0 == $1 }
    }

    var isEmpty: Bool { names.isEmpty }

    /// Reads lines `name:sha256`; those with `#` at their beginning are comments.
    init(file text: String) throws(Refusal) {
        for (index, line) in text.split(
            separator: "\n", omittingEmptySubsequences: false
        ).enumerated() {
            let line = line.filter { $0 != " " && $0 != "\r" && $0 != "\t" }
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            let parts = line.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, Self.isName(String(parts[0])), Self.isDigest(parts[1]) else {
                throw Refusal("line \(index + 1) is not name:sha256, with 64 hexadecimal digits")
            }
            let name = String(parts[0])
            guard !names.contains(where: { $0.name == name }) else {
                throw Refusal("line \(index + 1) has \(name) again")
            }
            let digest = parts[1].lowercased()
            guard digest != WebDigest.sha256("") else {
                throw Refusal("line \(index + 1) has the SHA-256 of no token at all")
            }
            if let other = names.first(where: { $0.digest == digest }) {
                throw Refusal("line \(index + 1) has the token of \(other.name)")
            }
            guard names.count < Self.countMax else {
                throw Refusal("it has more than \(Self.countMax) people")
            }
            names.append((name, digest))
        }
        guard !names.isEmpty else { throw Refusal("it names nobody") }
    }

    /// Reads a file. A refusal names it.
    static func read(_ path: String) -> Result<People, Refusal> {
        switch ConfigurationFiles.read(path, fileBytesMax) {
        case .failure(let problem): return .failure(Refusal("\(path) \(problem)"))
        case .success(let content):
            do throws(Refusal) {
                return .success(try People(file: String(decoding: content.bytes, as: UTF8.self)))
            } catch {
                return .failure(Refusal("\(path): \(error)"))
            }
        }
    }

    struct Refusal: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    /// Returns whose token it is. It looks at all people, whoever it is. What is shorter than a
    /// token may be is nobody's.
    func name(of token: String) -> String? {
        guard token.utf8.count >= CockpitSettings.tokenBytesMin else { return nil }
        return name(ofDigest: WebDigest.sha256(token))
    }

    func name(ofDigest digest: String) -> String? {
        var found: String?
        for person in names where Sessions.isEqual(person.digest, digest) { found = person.name }
        return found
    }

    /// A name is a plain word, because it stands in records, logs and pages.
    static func isName(_ text: String) -> Bool {
        (1...nameBytesMax).contains(text.utf8.count)
            && text.utf8.first != UInt8(ascii: "-")
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
                    || (0x61...0x7a).contains(byte) || "._@-".utf8.contains(byte)
            }
    }

    /// Makes a token for somebody new, and the line that names its owner.
    static let question = ServiceDescription.Question(
        "--new-person", "NAME", "Print a token for this person, and the line of COCKPIT_PEOPLE."
    ) { name, _ in
        guard isName(name) else {
            return .failure(
                .init(["cockpit: --new-person: a name has letters, digits and . _ @ - alone"]))
        }
        var random = SystemRandomNumberGenerator()
        let token = Sessions.secret(from: &random)
        return .success(
            "token: \(token)\nline: \(name):\(WebDigest.sha256(token))\n")
    }

    private static func isDigest(_ text: some StringProtocol) -> Bool {
        text.utf8.count == digits && text.allSatisfy { $0.isHexDigit && $0.isASCII }
    }
}
