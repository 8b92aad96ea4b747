import ServiceRuntime

/// A file of settings for `tapeline up --settings FILE`, in the form of the services'
/// `default.env`.
enum SettingsFile {
    /// The keys whose values are paths, or lists of paths between commas. They are relative to the
    /// file, because a stack that is started again may be started from another folder.
    private static let paths: Set<String> = [
        "ALERTS_RECEIVER", "COCKPIT_PEOPLE", "GATEWAY_INSTRUMENTS", "OPERATOR_GRAPH",
        "SIMULATOR_TRUTH",
        "WRITER_MIGRATIONS",
    ]
    private static let pathEndings = ["_FILE", "_TLS_CA", "_TLS_CERTIFICATE", "_TLS_KEY"]
    /// The keys whose values are such lists of "name=path".
    private static let namedPaths: Set<String> = ["COCKPIT_CALENDARS"]

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
        return file.entries.map { ($0.line, absolute("\($0.name)=\($0.value)", folder)) }
    }

    /// Returns "KEY=VALUE" with absolute paths, if its value has paths. `folder` is that in which
    /// it was written.
    static func absolute(_ setting: String, _ folder: String) -> String {
        guard let equals = setting.firstIndex(of: "=") else { return setting }
        let key = String(setting[..<equals])
        let isNamed = namedPaths.contains(key)
        guard isNamed || isPath(key) else { return setting }
        let paths = setting[setting.index(after: equals)...]
            .split(separator: ",", omittingEmptySubsequences: false).map { entry in
                let named = isNamed ? entry.firstIndex(of: "=") : nil
                let start = named.map { entry.index(after: $0) } ?? entry.startIndex
                let path = entry[start...].drop { $0 == " " }
                guard !path.isEmpty, !path.hasPrefix("/"), !isNamed || named != nil else {
                    return String(entry)
                }
                return "\(entry[..<start])\(folder)/\(path)"
            }
        return "\(setting[...equals])\(paths.joined(separator: ","))"
    }

    /// A secret has another key for the path of a file.
    private static func isSecret(_ key: String) -> Bool {
        KeyCatalogue.product.names.contains("\(key)_FILE")
    }

    private static func isPath(_ key: String) -> Bool {
        paths.contains(key) || pathEndings.contains { key.hasSuffix($0) }
    }
}
