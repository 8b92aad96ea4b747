import Synchronization
public import ServiceRuntime

/// The log lines of a service under test.
public final class CapturedLog: Sendable {
    private let lines = Mutex<[String]>([])

    public init() {}

    public var sink: LogSink {
        LogSink { line in
            self.lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
            return true
        }
    }

    public var text: String { lines.withLock { $0.joined() } }

    public func contains(_ part: String) -> Bool {
        lines.withLock { $0.contains { $0.contains(part) } }
    }

    public func count(of event: String) -> Int {
        lines.withLock { $0.count { $0.contains("\"event\":\"\(event)\"") } }
    }
}
