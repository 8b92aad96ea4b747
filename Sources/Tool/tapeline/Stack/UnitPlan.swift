/// One process of a stack: how it is started, how it shows that it works, how it is ended.
struct UnitPlan: Equatable, Sendable {
    enum Kind: String, Sendable {
        /// Others depend on it; it is started before them.
        case server
        case service
        /// Runs to its end before the next stage begins.
        case job
    }

    /// How to find out whether it works. A job needs no check: it works when it ends well.
    enum Check: Equatable, Sendable {
        case none
        /// 200 is the answer of one that works.
        case http(port: UInt16, path: String)
        /// One line is asked; the answer of one that works begins with "ok".
        case line(port: UInt16, question: String)
        /// A program that ends with 0 when it works.
        case command(String, [String])
    }

    let name: String
    let kind: Kind
    /// Units of one stage start together, when all of the stage before work; the stop goes the
    /// other way.
    let stage: Int
    let executable: String
    var arguments: [String] = []
    var environment: [String: String] = [:]
    var check = Check.none
    /// SIGTERM; PostgreSQL wants SIGINT for a stop that waits for nobody.
    var stopSignal: Int32 = 15
    /// What it gets to end by itself before it is killed.
    var stopGrace: Duration = .seconds(10)
    /// What it gets until it works, when the stack starts.
    var startLimit: Duration = .seconds(60)
    let logPath: String
    /// Where to find it, for people: "127.0.0.1:20001".
    var address = ""
    /// The page for people and tools, of a service.
    var operationsPort: UInt16?
}
