import OperatorGraph
import Primitives
import ServiceRuntime
import Synchronization

/// The graph by which a stack's workers make the bars of a namespace, as its files were when it was
/// started or applied: a file of the stack, and copies of the graph's files, from which the workers
/// start. A person may edit the files of a graph in place: bars are made by this text, and proven
/// by it, until another one is applied.
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

    /// True if these settings name the same files and series.
    func isNamed(by settings: StackSettings) -> Bool {
        [ProofGraph.graphKey, ProofGraph.seriesKey].allSatisfy { operators[$0] == settings[$0] }
    }

    /// True if workers with these settings run it.
    func isWhatRuns(by settings: StackSettings) -> Bool {
        isNamed(by: settings) && generation == Self.generation(of: settings)
    }

    // MARK: the files for workers

    /// Returns the copy of the graph's file that workers with these settings read; `nil` if there
    /// is none.
    static func copy(_ home: StackHome, for settings: StackSettings) -> String? {
        guard let path = settings[ProofGraph.graphKey], !path.isEmpty else { return nil }
        let copy = copy(
            of: path, in: home.graphFiles(settings.namespace, generation(of: settings)))
        return FileSystem.exists(copy) ? copy : nil
    }

    /// Files keep their places to each other, because a graph names its calendars from its own.
    private static func copy(of path: String, in folder: String) -> String {
        folder + (path.hasPrefix("/") ? "" : "/") + path
    }

    /// Writes the graph's files again, for the workers of its generation.
    func writeFiles(_ home: StackHome, _ namespace: String) throws(ToolError) {
        let folder = home.graphFiles(namespace, generation)
        try FileSystem.removeFolder(folder)
        guard let path = operators[ProofGraph.graphKey], !path.isEmpty else { return }
        for (file, text) in files {
            let copy = Self.copy(of: file, in: folder)
            guard Self.staysInside(file) else {
                throw .usage("\(file.prefix(200)) leads out of the root folder: name it otherwise")
            }
            try FileSystem.makeFolder(FileSystem.folder(of: copy))
            let written = file == path ? withCopies(text, in: folder) : text
            try FileSystem.write(Array(written.utf8), to: copy)
        }
        var copied = operators
        copied[ProofGraph.graphKey] = Self.copy(of: path, in: folder)
        guard try ProofGraph.find(copied).hash == program().hash else {
            throw .damaged(path: folder, problem: "its files are another graph than \(path)")
        }
    }

    /// Returns the text of the graph with the copies of files that it names from the root folder.
    private func withCopies(_ text: String, in folder: String) -> String {
        let named = files.keys.filter { $0.hasPrefix("/") }.sorted { $0.count > $1.count }
        var result = ""
        var rest = text[...]
        while let first = rest.first {
            let begins = result.last.map { !$0.isLetter && !$0.isNumber && !"._-".contains($0) }
            if begins ?? true, first == "/", let path = named.first(where: { rest.hasPrefix($0) }) {
                result += Self.copy(of: path, in: folder)
                rest = rest.dropFirst(path.count)
            } else {
                result.append(rest.removeFirst())
            }
        }
        return result
    }

    private static func staysInside(_ path: String) -> Bool {
        var depth = 0
        return path.split(separator: "/").allSatisfy { part in
            if part != "." { depth += part == ".." ? -1 : 1 }
            return depth >= 0
        }
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
                writer.array(name) { writer in
                    for (key, text) in texts.sorted(by: { $0.key < $1.key }) {
                        writer.object {
                            $0.member("key", key)
                            $0.member("text", text)
                        }
                    }
                }
            }
        }
        try FileSystem.write(writer.bytes + Array("\n".utf8), to: home.graph(namespace))
    }
}
