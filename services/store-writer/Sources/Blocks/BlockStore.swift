import HotState
import Membership
import Primitives
import ServiceRuntime
import StoreHTTP
import StoreSinks
import TapeProtocol
import TapeTransport

/// A store without transactions, whose rows go as blocks and whose positions NATS keeps.
struct BlockStore: Store {
    /// What is different from store to store.
    struct Product: Sendable {
        /// For people.
        let name: String
        /// Tables and columns: a batch has equal blocks where it is equal.
        let layout: String
        let rows: @Sendable (WriteBatch) -> BlockRows
        /// Makes the way to the server. It hears before each call how long that takes at most.
        let connect:
            @Sendable (@escaping (Duration) -> Void) throws(StoreServerError) -> any BlockServer
        /// Asks the server for the bytes of the tables that have rows, by name.
        let tableBytes:
            @Sendable (@escaping (Duration) -> Void) throws(StoreServerError) -> [(
                table: String, bytes: Int64
            )]
    }

    let product: Product
    let writer: WriterSettings
    let client: TapeClient
    let letters: DeadLetterOutput
    private let context: ServiceContext

    init(_ product: Product, _ parts: StoreKind.Context) {
        self.product = product
        context = parts.service
        writer = parts.settings
        client = parts.client
        letters = parts.letters
    }

    func session(owner: String, beat: ThreadBeat) -> any StoreSession {
        let client = client.calling(beat)
        let (letters, sinks, product) = (letters, writer.sinks, product)
        let telemetry = context.telemetry
        return BlockSession(
            BlockSession.Parts(
                settings: writer, owner: owner,
                store: MarkOwner(namespace: client.names.namespace, name: writer.store.text),
                layout: product.layout, rows: product.rows,
                keeper: IntentBucket(client, of: writer.store),
                packets: DeclaredRange(client, beat, mayBeLetGo: !writer.isNeeded),
                letters: LetterOutput(
                    keep: { refused, batch throws(StoreError) in
                        let made = refused.map { letters.letter($0, of: batch, sinks) }
                        beat.beat(before: ThreadWatch.systemTime)
                        try letters.keep(made, product.name)
                        return made
                    }, committed: { letters.committed($0) }),
                connect: { () throws(StoreServerError) in
                    try product.connect { beat.beat(before: $0) }
                },
                tellMissing: { place, gaps in
                    let input = InputNumber.name(InputNumber.of(place))
                    for event in ServiceEvent.batchLost(input: input, gaps: gaps) {
                        telemetry.emit(event)
                    }
                }))
    }

    func startUpkeep(_ threads: inout [ServiceThread]) throws {
        threads.append(try BlockUpkeep.start(product, context))
    }

    func startFilling(_ hot: HotOutput, life: Duration) -> ServiceThread? { nil }

    /// What such a store cannot do.
    static func rules(ofKind kind: String) -> [ConfigurationRule] {
        [
            // A declared batch has to be made again from the tape.
            ConfigurationRule(reads: ["WRITER_OVERFLOW"]) {
                $0.text("WRITER_OVERFLOW") == OverflowPolicy.drop.rawValue
                    ? "WRITER_OVERFLOW is drop: with STORE_KIND \(kind) it is block or error" : nil
            },
            ConfigurationRule(reads: ["WRITER_PURGE_AFTER"]) {
                guard case .word("standby") = $0.durationOrWord("WRITER_PURGE_AFTER") else {
                    return nil
                }
                return "WRITER_PURGE_AFTER is standby, which STORE_KIND \(kind) cannot promise"
            },
        ]
    }
}
