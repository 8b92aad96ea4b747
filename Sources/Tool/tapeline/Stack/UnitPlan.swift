/// One process of a stack: how it is started, checked and ended.
struct UnitPlan: Equatable, Sendable {
    enum Kind: String, Sendable {
        /// Others depend on it, so it is started before them.
        case server
        case service
        /// It runs to its end before the next stage begins.
        case job
    }

    /// How to find out whether it works. A job has no check: it works if it succeeds.
    enum Check: Equatable, Sendable {
        case none
        /// It works if it answers 200.
        case http(port: UInt16, path: String)
        /// Sends one line. It works if the answer begins with "ok".
        case line(port: UInt16, question: String)
        /// Says hello as this user, whose password may change.
        case valkey(port: UInt16, user: String, passwordFile: String)
        /// Runs a program. It works if the exit code is 0.
        case command(String, [String])
    }

    let name: String
    let kind: Kind
    /// Units of one stage start together, once all of the previous stage work. Stopping goes in the
    /// opposite order.
    let stage: Int
    let executable: String
    var arguments: [String] = []
    var environment: [String: String] = [:]
    var check = Check.none
    /// SIGTERM by default. PostgreSQL needs SIGINT to stop without waiting for its clients.
    var stopSignal: Int32 = 15
    /// The time it has to end by itself before it is killed.
    var stopGrace: Duration = .seconds(10)
    /// The time it has until it works, when the stack starts.
    var startLimit: Duration = .seconds(60)
    let logPath: String
    /// The address for a person: "127.0.0.1:20001".
    var address = ""
    /// The port of a service's operations page.
    var operationsPort: UInt16?

    /// Returns the plan of a process that is started in this place. Only members of groups need
    /// one.
    func started(in place: String) -> UnitPlan {
        guard environment["MDS_MEMBER"] != nil else { return self }
        var plan = self
        plan.environment["MDS_PLACE"] = place
        return plan
    }
}
