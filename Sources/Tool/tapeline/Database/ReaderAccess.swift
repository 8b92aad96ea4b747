import TapeProtocol

/// The libpq parameters of a read-only session on the database of a stack. `tapeline_reader` cannot
/// change anything. It sees the schema of the market views unless it asks for another one.
struct ReaderAccess: Equatable, Sendable {
    let port: UInt16
    let namespace: String
    /// Where libpq's password file and service file are, both of mode 0600.
    let home: StackHome
    let password: String
}

extension ReaderAccess {
    init(_ stack: Stack) throws(ToolError) {
        let prefix = "MDS_NAMESPACE="
        let named = try StackState.read(stack.home)?.arguments.last { $0.hasPrefix(prefix) }
        self.init(
            port: try StackPorts.present(stack.home)[.postgres],
            namespace: named.map { String($0.dropFirst(prefix.count)) }
                ?? TapeNames.defaultNamespace,
            home: stack.home,
            password: try StackSecrets.open(stack.home)[.postgresReader])
    }

    /// The schema is the one that `70_market.sql` makes.
    private var options: String { "-csearch_path=\(namespace)_market -cTimeZone=UTC" }

    /// Returns a URL. Without the password it names the password file instead.
    func url(withPassword: Bool) -> String {
        let user = withPassword ? "\(StackPlan.reader):\(password)" : StackPlan.reader
        let file = withPassword ? "" : "passfile=\(Self.escaped(home.readerPasswordFile))&"
        return "postgresql://\(user)@\(StackPlan.loopback):\(port)/\(StackPlan.database)"
            + "?\(file)options=\(Self.escaped(options))"
    }

    /// libpq's service file. With it `service=NAME` stands for all parameters.
    var serviceFile: String {
        """
        [\(home.service)]
        host=\(StackPlan.loopback)
        port=\(port)
        dbname=\(StackPlan.database)
        user=\(StackPlan.reader)
        passfile=\(home.readerPasswordFile)
        options=\(options)

        """
    }

    /// The single parameters come beside the service, because drivers without libpq know only them.
    func environment(withPassword: Bool) -> [String: String] {
        [
            "PGSERVICEFILE": home.serviceFile, "PGSERVICE": home.service,
            "PGHOST": StackPlan.loopback, "PGPORT": "\(port)", "PGDATABASE": StackPlan.database,
            "PGUSER": StackPlan.reader, "PGOPTIONS": options,
            withPassword ? "PGPASSWORD" : "PGPASSFILE":
                withPassword ? password : home.readerPasswordFile,
        ]
    }

    /// Returns lines for a shell: `eval "$(tapeline env)"`.
    func exports(withPassword: Bool) -> [String] {
        environment(withPassword: withPassword).sorted { $0.key < $1.key }.map {
            "export \($0.key)='\($0.value.replacing("'", with: #"'\''"#))'"
        }
    }

    /// Escapes text for the query of a URL.
    private static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.map { byte in
            let scalar = Unicode.Scalar(byte)
            let isPlain =
                scalar.isASCII && (scalar.properties.isAlphabetic || (48...57).contains(byte))
            if isPlain || "-._~/".unicodeScalars.contains(scalar) { return String(scalar) }
            return "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }.joined()
    }
}
