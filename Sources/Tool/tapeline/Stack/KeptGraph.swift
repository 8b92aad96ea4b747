import OperatorGraph
import Primitives
import ServiceRuntime
import Synchronization

/// The graph by which a stack's workers make the bars of a namespace, as its files were when it was
/// started or applied: a file of the stack. A person may edit the files of a graph in place, and
/// the bars that are stored stay those of this text.
struct KeptGraph: Equatable, Sendable {
    static let generationKey = "OPERATOR_GENERATION"
    private static let version = 1

    let generation: UInt32
    /// The settings that say which bars the workers make.
    let operators: [String: String]
    /// The texts of the graph's files, by the paths by which the graph names them.
    private let files: [String: String]

    /// Reads the graph of these settings as its files are now.
    init(of settings: StackSettings) throws(ToolError) {
        generation = Self.generation(of: settings)
        operators = settings.environment(for: .operators)
            .filter { [ProofGraph.graphKey, ProofGraph.seriesKey].contains($0.key) }
        let texts = Mutex<[String: String]>([:])
        _ = try ProofGraph.find(operators) { path, bytesMax in
            let content = ConfigurationFiles.read(path, bytesMax)
            // The system's time zones are no texts.
            if case .success(let file) = content,
                let text = String(validating: file.bytes, as: UTF8.self)
            {
                texts.withLock { $0[path] = text }
            }
            return content
        }
        files = texts.withLock { $0 }
    }

    static func generation(of settings: StackSettings) -> UInt32 {
        settings[generationKey].flatMap { UInt32($0) } ?? 1
    }

    /// Reads what the graph had when it was kept.
    var reading: FileReading {
        { [files] path, bytesMax in
            files[path].map { .success(FileContent(bytes: Array($0.utf8))) }
                ?? ConfigurationFiles.read(path, bytesMax)
        }
    }

    func program() throws(ToolError) -> GraphProgram {
        try ProofGraph.find(operators, read: reading)
    }

    // MARK: the file

    /// Returns `nil` if no workers have been started yet.
    static func read(
        _ home: StackHome, _ namespace: String
    ) throws(ToolError) -> KeptGraph? {
        let path = home.graph(namespace)
        guard let bytes = try FileSystem.read(path) else { return nil }
        guard let graph = parsedJSON(bytes).flatMap(KeptGraph.init) else {
            throw .damaged(path: path, problem: "no graph of a stack")
        }
        return graph
    }

    private init?(_ json: JSONValue) {
        guard json["version"]?.int == Self.version,
            let generation = json["generation"]?.int.flatMap(UInt32.init(exactly:)),
            let operators = Self.texts(json["operators"]), let files = Self.texts(json["files"])
        else { return nil }
        self.generation = generation
        self.operators = operators
        self.files = files
    }

    private static func texts(_ json: JSONValue?) -> [String: String]? {
        var texts: [String: String] = [:]
        for pair in json?.array ?? [] {
            guard let key = pair["key"]?.string, let text = pair["text"]?.string else { return nil }
            texts[key] = text
        }
        return json?.array == nil ? nil : texts
    }

    func write(_ home: StackHome, _ namespace: String) throws(ToolError) {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("version", Self.version)
            writer.member("generation", Int(generation))
            for (name, texts) in [("operators", operators), ("files", files)] {
                writer.member(
                    name,
                    array: { writer in
                        for (key, text) in texts.sorted(by: { $0.key < $1.key }) {
                            writer.object {
                                $0.member("key", key)
                                $0.member("text", text)
                            }
                        }
                    })
            }
        }
        try FileSystem.write(writer.bytes + Array("\n".utf8), to: home.graph(namespace))
    }
}
