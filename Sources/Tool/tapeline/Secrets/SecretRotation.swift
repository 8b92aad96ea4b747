import PostgresClient
import Primitives
import ServiceRuntime
import ValkeyClient

/// Carries out `tapeline secrets rotate`.
///
/// The new password is in a file before anything has it, so that a run that was killed is finished
/// by the next one.
struct SecretRotation {
    /// How long the server may take until it has the new password.
    private static let timeout = Duration.seconds(30)
    private static let callTimeout = Duration.seconds(5)
    private static let lookEvery = Duration.milliseconds(50)

    let stack: Stack
    let secret: StackSecret

    private var home: StackHome { stack.home }
    private var path: String { home.secret(secret.name) }

    func run() throws(ToolError) -> ExitCode {
        guard let bytes = try FileSystem.read(path) else {
            throw .refused("the stack \(home.name) has no passwords yet: 'tapeline up' makes them")
        }
        let old = try StackSecrets.parse(bytes, path)
        let new = try successor()
        switch secret.place {
        case .nats:
            try replace(old, by: new)
            guard try NatsReload(home: home).run() else { throw late("NATS") }
        case .postgres(let role):
            try alter(role, old: old, to: new)
            try replace(old, by: new)
        case .valkey(let user):
            let keys = try known(.valkeyKeys)
            try replace(old, by: new)
            if let process = try process("valkey") {
                // A server that does not read its users again, because a run was cut short or it is
                // older, starts again. It keeps nothing on a disk, and the writer fills it.
                if try !loadsUsers(keys) { _ = process.signal(Self.terminate) }
                try wait("Valkey") { () throws(ToolError) in try takesValkey(user, new) }
            }
        case .file: try replace(old, by: new)
        }
        stack.terminal.line("\(secret.name) is new (\(secret.place.summary))")
        return .success
    }

    private static let terminate: Int32 = 15

    /// Returns the new password, which a run before this one may have made.
    private func successor() throws(ToolError) -> String {
        let place = path + StackSecret.nextSuffix
        if let bytes = try FileSystem.read(place) { return try StackSecrets.parse(bytes, place) }
        let new = try StackSecrets.make()
        try FileSystem.write(Array(new.utf8), to: place)
        return new
    }

    /// Writes the new password wherever the stack's files have the old one; last into its own file.
    private func replace(_ old: String, by new: String) throws(ToolError) {
        for file in [
            home.natsConfiguration, home.valkeyUsers, home.passwordFile, home.readerPasswordFile,
            home.cockpitPeople,
        ] {
            guard let bytes = try FileSystem.read(file) else { continue }
            let text = String(decoding: bytes, as: UTF8.self)
            let changed = text.replacing(old, with: new)
                .replacing(WebDigest.sha256(old), with: WebDigest.sha256(new))
            if changed != text { try FileSystem.write(Array(changed.utf8), to: file) }
        }
        try FileSystem.move(path + StackSecret.nextSuffix, to: path)
    }

    private func process(_ unit: String) throws(ToolError) -> ProcessIdentity? {
        try StackState.read(home)?.alive.first { $0.name == unit }?.process
    }

    /// Waits until the server has the new password.
    private func wait(
        _ server: String, until isDone: () throws(ToolError) -> Bool
    ) throws(ToolError) {
        let clock = SystemClock()
        let deadline = clock.deadline(after: Self.timeout)
        let pause = Mailbox<Int>(capacity: 1)
        while try !isDone() {
            guard clock.remaining(until: deadline) > .zero else {
                throw late(server)
            }
            var nothing: [Int] = []
            _ = pause.receive(into: &nothing, max: 1, timeout: Self.lookEvery)
        }
    }

    private func late(_ server: String) -> ToolError {
        .temporary(
            "\(secret.name) is new in the files, and \(server) has not taken it within "
                + "\(Self.timeout.shown): see \(home.logs), then run 'tapeline up'")
    }

    // MARK: servers

    private func takesValkey(_ user: String, _ password: String) throws(ToolError) -> Bool {
        let port = try StackPorts.present(home)[.valkey]
        do throws(ValkeyError) {
            try ValkeyConnection(
                ValkeyConfiguration(
                    host: StackPlan.loopback, port: port, user: user, password: password)
            ).close()
            return true
        } catch {
            return false
        }
    }

    /// Has Valkey read its users again. Returns false if it does not.
    private func loadsUsers(_ keys: String) throws(ToolError) -> Bool {
        let port = try StackPorts.present(home)[.valkey]
        do throws(ValkeyError) {
            let connection = try ValkeyConnection(
                ValkeyConfiguration(
                    host: StackPlan.loopback, port: port, user: StackPlan.valkeyKeys,
                    password: keys))
            defer { connection.close() }
            return try connection.command(["ACL", "LOAD"]).text == "OK"
        } catch {
            return false
        }
    }

    private func known(_ name: StackSecrets.Name) throws(ToolError) -> String {
        let file = home.secret(name.rawValue)
        guard let bytes = try FileSystem.read(file) else {
            throw .damaged(path: file, problem: "it is not there")
        }
        return try StackSecrets.parse(bytes, file)
    }

    /// Gives the role the new password. Sessions that are open stay.
    private func alter(_ role: String, old: String, to new: String) throws(ToolError) {
        guard try process("postgres") != nil else {
            throw .refused(
                "the database of the stack \(home.name) does not run: "
                    + "'\(home.command("up"))' first, then this again")
        }
        let owner = StackSecrets.Name.postgresOwner.rawValue
        var configuration = PostgresConfiguration(
            host: StackPlan.loopback, port: try StackPorts.present(home)[.postgres],
            database: "postgres", user: "postgres", password: try known(.postgresOwner))
        configuration.sslMode = .disable
        configuration.applicationName = "tapeline"
        // A run that was killed may have changed the owner's own password already.
        configuration.renewable = configuration.password.map { known in
            RenewableSecret(known) { secret.name == owner ? new : nil }
        }
        do throws(PostgresError) {
            let connection = try PostgresConnection(configuration, timeout: Self.callTimeout)
            defer { connection.close() }
            // A password of this tool has letters and digits only.
            try connection.execute(
                "ALTER ROLE \(role) PASSWORD '\(new)'", timeout: Self.callTimeout)
        } catch {
            throw .unreachable("the password of the role \(role) cannot be changed: \(error)")
        }
    }
}
