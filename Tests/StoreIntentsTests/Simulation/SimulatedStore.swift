import MarketModel
import StoreIntents
import TapeCodec

/// The rows of one batch for one table and day: what a store takes as a whole or not at all.
struct SimulatedPart {
    var table: Int
    var day: Int
    var rows: [SimulatedRow]

    /// Returns the parts of a batch in their order.
    static func all(_ rows: [SimulatedRow]) -> [SimulatedPart] {
        (0..<SimulatedTape.tables).flatMap { table in
            (0...1).map { day in
                SimulatedPart(
                    table: table, day: day,
                    rows: rows.filter { $0.key.table == table && $0.day == day })
            }
        }.filter { !$0.rows.isEmpty }
    }

    func token(_ batch: String) -> String { "\(batch)/\(table)/\(day)" }
}

/// A store without transactions.
struct SimulatedStore {
    /// For how many blocks of a table the store remembers a token. No insert is on its way for
    /// longer: the server has ended it by then.
    static let window = 24

    let rule: IntentMachine.RepeatRule
    /// The values of each row: more than one if it is stored twice.
    private(set) var rows: [RowKey: [UInt64]] = [:]
    /// The number of blocks of each table, those of others included.
    private(set) var blocks = [Int](repeating: 0, count: SimulatedTape.tables) {
        didSet { history.append((now, blocks)) }
    }
    private var history: [(time: Int64, blocks: [Int])] = []
    var now: Int64 = 0
    private var tokens: [String: Int] = [:]
    private(set) var dropped = 0

    init(rule: IntentMachine.RepeatRule) { self.rule = rule }

    /// Others insert into the table.
    mutating func fill(_ table: Int, blocks count: Int) { blocks[table] += count }

    /// Returns how many blocks the table had at that time.
    func blocks(_ table: Int, at time: Int64) -> Int {
        history.last { $0.time <= time }?.blocks[table] ?? 0
    }

    /// Returns whether the store knows the token.
    func remembers(_ token: String, _ table: Int) -> Bool {
        tokens[token].map { blocks[table] - $0 < Self.window } ?? false
    }

    /// Returns the rows that were added.
    mutating func insert(_ part: SimulatedPart, token: String) -> [SimulatedRow] {
        if rule == .byToken {
            guard !remembers(token, part.table) else {
                dropped += 1
                return []
            }
            blocks[part.table] += 1
            tokens[token] = blocks[part.table]
        }
        var added: [SimulatedRow] = []
        for row in part.rows {
            let old = rows[row.key] ?? []
            // A row by key replaces one that is equal: another value would stay as a second one.
            if rule == .byKey, old.contains(row.value) { continue }
            rows[row.key] = old + [row.value]
            added.append(row)
        }
        return added
    }

    func count(_ part: SimulatedPart) -> Int { part.rows.count { rows[$0.key] != nil } }

    func lastOrdinals(_ place: Int) -> [SourceOrdinal] {
        SimulatedTape.sources.compactMap { source in
            let own = rows.keys.filter { $0.place == place && $0.source == source }
            return own.map(\.ordinal).max().map {
                SourceOrdinal(source: source, epoch: 0, lastOrdinal: $0)
            }
        }
    }
}
