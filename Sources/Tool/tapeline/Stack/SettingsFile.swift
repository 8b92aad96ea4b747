import ServiceRuntime

/// A file of settings for `tapeline up --settings FILE`, in the form of the services'
/// `default.env`.
enum SettingsFile {
    /// The keys whose values are paths, or lists of paths between commas. They are relative to the
    /// file, because a stack that is started again may be started from another folder.
    private static let paths: Set<String> = [
        "GATEWAY_INSTRUMENTS", "OPERATOR_GRAPH", "REPLAY_FILE", "SIMULATOR_TRUTH",
    ]
    private static let pathEndings = ["_KEY_FILE", "_SECRET_FILE", "_TLS_CA"]

    /// Returns the settings of the file as "KEY=VALUE", in its order.
    static func read(_ path: String) throws(ToolError) -> [(line: Int, text: String)] {
        guard let resolved = FileSystem.resolved(path), let bytes = try FileSystem.read(resolved)
        else { throw .usage("--settings: there is no file '\(path.prefix(200))'") }
        return try entries(of: bytes, path, folder: FileSystem.folder(of: resolved))
    }

    /// Pure. `folder` is that of the file.
    static func entries(
        of bytes: [UInt8], _ path: String, folder: String
    ) throws(ToolError) -> [(line: Int, text: String)] {
        let file = EnvironmentFile(bytes)
        if let problem = file.problems.first {
            throw .usage("\(path.prefix(200)) line \(problem.line): \(problem.text)")
        }
        for entry in file.entries where isSecret(entry.name) && !entry.value.isEmpty {
            throw .usage(
                "\(path.prefix(200)) line \(entry.line): \(entry.name) would show in the list of "
                    + "processes: write it into a file of its own and name that: "
                    + "\(entry.name)_FILE=…")
        }
        return file.entries.map { entry in
            let value = isPath(entry.name) ? absolute(entry.value, folder) : entry.value
            return (entry.line, "\(entry.name)=\(value)")
        }
    }

    /// A secret has another key for the path of a file.
    private static func isSecret(_ key: String) -> Bool {
        KeyCatalogue.product.names.contains("\(key)_FILE")
    }

    private static func isPath(_ key: String) -> Bool {
        paths.contains(key) || pathEndings.contains { key.hasSuffix($0) }
    }

    private static func absolute(_ list: String, _ folder: String) -> String {
        list.split(separator: ",", omittingEmptySubsequences: false).map { path in
            path.isEmpty || path.hasPrefix("/") ? String(path) : "\(folder)/\(path)"
        }.joined(separator: ",")
    }
}
