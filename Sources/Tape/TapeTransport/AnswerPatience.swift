/// How long a reader waits for the answer that its consumer exists.
///
/// A stream with copies may give a consumer to a server that was killed: the cluster counts such a
/// server as there for some minutes (seen with nats-server 2.12.8), and nobody answers then. While
/// a reader waits, no other reader of its thread reads. So the first wait is short, and the next
/// try is likely to be given to another server. Each further wait is twice as long, for servers
/// that are slow. A single server is awaited as long as any other answer.
struct AnswerPatience {
    private static let first = Duration.milliseconds(250)
    private static let doublingsMax = 8

    /// Whether the stream has more than one copy, as last read.
    var isReplicated = false
    private var failures = 0

    func timeout(max: Duration) -> Duration {
        isReplicated ? min(max, Self.first * (1 << failures)) : max
    }

    mutating func answered() { failures = 0 }

    mutating func failed() { failures = min(failures + 1, Self.doublingsMax) }
}
