internal import Primitives

/// A store with its writers, and what has to be in it.
struct ProofWorld {
    /// A connection, and the marks as its owner has last set them.
    private final class Owner {
        let connection: any RowStore
        let number: Int
        var marks: [String: String] = [:]

        init(_ connection: any RowStore, _ number: Int) {
            self.connection = connection
            self.number = number
        }
    }

    /// What a transaction adds and sets.
    private struct Change {
        let owner: Owner
        let marks: [String: String]
        let tables: [StoreTable]

        /// Makes it, if the marks are still these. Returns whether the store did it.
        func isMade(from present: [String: String]) -> Bool {
            do {
                try owner.connection.transact(tables, marks: Array(marks.keys)) { found in
                    guard found == present else { throw Stop.refused }
                    return marks
                }
                return true
            } catch {
                return false
            }
        }
    }

    /// Why a transaction of the proof ends from inside.
    private enum Stop: Error {
        /// The owner dies.
        case killed
        /// A mark is not as the owner has set it.
        case refused
        case broken(String)
    }

    /// What happens to a transaction.
    private enum Fate: CaseIterable {
        case well
        /// The owner dies before it has settled.
        case killed
        /// It succeeds, and the owner does not hear of it.
        case lost
        /// Another owner changes the same marks before it has settled.
        case met
    }

    private let proof: StoreProof
    private var random: SeededRandom
    private var maker = ProofRows()
    private var owners: [Owner] = []
    /// The number of owners, of changes of marks, of first claims by two, and of batches that met.
    private var ownerCount = 0
    private var changes = 0
    private var newPlaces = 0
    private var meetings = 0
    /// What has to be in the store.
    private var marks: [String: String] = [:]
    private var rows: [String: [ProofRow]] = [:]

    init(_ proof: StoreProof) {
        self.proof = proof
        random = SeededRandom(seed: proof.seed)
    }

    private static func broken(_ reason: String) -> StoreProof.Failure {
        StoreProof.Failure(description: reason)
    }

    // MARK: steps

    /// Does one thing by chance.
    mutating func act() throws {
        switch Int.random(in: 0..<22, using: &random) {
        case 0: try restart()
        case 1...4: try claim(try connect(), places())
        case 5 where newPlaces < StoreProof.meetingsMax:
            newPlaces += 1
            try run(try connect(), ["new/\(newPlaces)"], [], isClaim: true, .met)
        case 6: try tryRows(connect())
        case 7: if let refused = proof.refused { try tryRefused(refused, connect()) }
        case _:
            let owner = try owners.randomElement(using: &random) ?? connect()
            try write(owner)
        }
    }

    /// Ends all connections, and looks at what is there.
    mutating func restart() throws {
        owners.removeAll()
        let expected = marks
        var found: [String: String]?
        try proof.connect().transact([], marks: Array(marks.keys) + ["never/set"]) { present in
            found = present
            return [:]
        }
        guard found == expected else {
            throw Self.broken(
                "the marks are \(Self.shown(found ?? [:])) after a restart, not "
                    + Self.shown(expected))
        }
        for table in ProofRows.tables {
            try compare(table, try proof.rows(table).map { ProofRow($0) })
            try compareCounts(table, try proof.connect())
        }
    }

    /// Compares what a store counts with its rows, if it counts.
    private func compareCounts(_ table: String, _ connection: any RowStore) throws {
        for partition in ProofRows.partitions {
            let name = "\(partition)"
            let own = (rows[table] ?? []).filter { $0.partition == name }.compactMap(\.ordinal)
            guard let found = try connection.ordinals(of: table, partition: Int(partition)) else {
                return
            }
            let counts =
                own.isEmpty
                ? []
                : [
                    StoredOrdinals(
                        source: ProofRows.source, rows: Int64(own.count),
                        ordinals: Int64(Set(own).count), first: own.min() ?? 0, last: own.max() ?? 0
                    )
                ]
            guard found == counts else {
                throw Self.broken(
                    "it counts \(found) in partition \(name) of \(table), not \(counts)")
            }
        }
    }

    private func compare(_ table: String, _ found: [ProofRow]) throws {
        let counts = Dictionary(found.map { ($0, 1) }, uniquingKeysWith: +)
        let expected = Set(rows[table] ?? [])
        for row in expected where counts[row] != 1 {
            throw Self.broken(
                "the row \(row) of \(table) is there \(counts[row] ?? 0) times; there are "
                    + "\(found.count) rows, \(expected.count) were added")
        }
        if let row = found.first(where: { !expected.contains($0) }) {
            throw Self.broken("\(table) has the row \(row), which was never added")
        }
    }

    private mutating func connect() throws -> Owner {
        ownerCount += 1
        let owner = Owner(try proof.connect(), ownerCount)
        owners.append(owner)
        // Sleeping owners are forgotten, so that connections do not grow without end.
        if owners.count > StoreProof.placesMax { owners.removeFirst() }
        return owner
    }

    /// Some of the places, at least one.
    private mutating func places() -> [String] {
        let all = (0..<StoreProof.placesMax).map { "ticks/\($0)" }.shuffled(using: &random)
        return Array(all.prefix(Int.random(in: 1...all.count, using: &random)))
    }

    private mutating func claim(_ owner: Owner, _ names: [String]) throws {
        try run(owner, names, [], isClaim: true, .well)
    }

    /// Writes a batch, which is refused if another owner has one of its places by now.
    private mutating func write(_ owner: Owner) throws {
        if owner.marks.isEmpty { return try claim(owner, places()) }
        let own = owner.marks.keys.sorted().shuffled(using: &random)
        let names = Array(own.prefix(Int.random(in: 1...own.count, using: &random)))
        let tables = maker.make(Int.random(in: 0...12, using: &random), &random)
        var fate = Fate.allCases.randomElement(using: &random) ?? .well
        if fate == .met, meetings >= StoreProof.meetingsMax { fate = .well }
        try run(owner, names, tables, isClaim: false, fate)
        // A writer that has lost an answer may send the same batch again.
        if fate == .lost, Bool.random(using: &random) {
            try run(owner, names, tables, isClaim: false, .well)
        }
    }

    // MARK: trials

    /// Adds rows without effect, and without marks, twice on one connection.
    private mutating func tryRows(_ owner: Owner) throws {
        let tables = maker.make(Int.random(in: 0...12, using: &random), &random)
        for _ in 0..<2 {
            var found: [String: String]?
            do {
                try owner.connection.transact(tables, marks: []) { present in
                    found = present
                    throw Stop.killed
                }
            } catch {
                guard found == [:], error is Stop else {
                    throw Self.broken(
                        "a trial of rows without marks failed by itself: \(error)")
                }
                continue
            }
            throw Self.broken("'settle' threw in a trial of rows, and the transaction ended well")
        }
    }

    /// Adds a row that the store has to refuse.
    private mutating func tryRefused(_ table: StoreTable, _ owner: Owner) throws {
        let good = maker.make(Int.random(in: 0...12, using: &random), &random)
        var isSettled = false
        do {
            try owner.connection.transact(good + [table], marks: places()) { _ in
                isSettled = true
                throw Stop.killed
            }
        } catch {
            guard !isSettled else {
                throw Self.broken("'settle' was called after rows that the store has to refuse")
            }
            let fault = owner.connection.fault(of: error)
            guard fault == .rows else {
                throw Self.broken("the fault of refused rows is '\(fault)', not 'rows'")
            }
            return forget(owner)
        }
        throw Self.broken("rows were taken that the store has to refuse")
    }

    // MARK: a transaction

    private mutating func run(
        _ owner: Owner, _ names: [String], _ tables: [StoreTable], isClaim: Bool, _ fate: Fate
    ) throws {
        let change = Change(owner: owner, marks: nextMarks(names, owner), tables: tables)
        let present = marks.filter { names.contains($0.key) }
        let isCurrent = isClaim || names.allSatisfy { present[$0] == owner.marks[$0] }
        var rival: Change?
        if fate == .met, isCurrent {
            let other = try connect()
            rival = Change(owner: other, marks: nextMarks(names, other), tables: [])
        }
        var hasRivalWon = false
        var calls = 0
        var stop: Stop?
        var failure: (any Error)?
        do {
            try owner.connection.transact(tables, marks: names) { found in
                calls += 1
                if found != present {
                    stop = .broken(
                        "'settle' got the marks \(Self.shown(found)), not \(Self.shown(present))")
                } else if !isCurrent {
                    stop = .refused
                } else if fate == .killed {
                    stop = .killed
                }
                if let stop { throw stop }
                if let rival { hasRivalWon = rival.isMade(from: present) }
                return change.marks
            }
        } catch {
            failure = error
        }
        if case .broken(let reason)? = stop { throw Self.broken(reason) }
        guard calls == 1 || rival != nil && failure != nil else {
            throw Self.broken(
                "'settle' was called \(calls) times; the error: "
                    + (failure.map { "\($0)" } ?? "none"))
        }
        if let rival {
            if !isClaim { meetings += 1 }
            try note(change, failure, rival, hasRivalWon)
        } else if stop != nil {
            guard failure is Stop else {
                throw Self.broken(
                    "'settle' threw, and the transaction ended "
                        + (failure.map { "with another error: \($0)" } ?? "well"))
            }
        } else if let failure {
            throw Self.broken("a transaction failed: \(failure)")
        } else {
            note(change, isHeard: fate != .lost)
        }
        // A connection that failed is not used again.
        if fate == .killed || failure != nil && stop == nil { forget(owner) }
        if let rival, !hasRivalWon { forget(rival.owner) }
    }

    private mutating func forget(_ owner: Owner) { owners.removeAll { $0 === owner } }

    /// Notes what came of two transactions that met.
    private mutating func note(
        _ change: Change, _ failure: (any Error)?, _ rival: Change, _ hasRivalWon: Bool
    ) throws {
        if hasRivalWon, failure == nil {
            throw Self.broken(
                "two transactions changed the marks \(change.marks.keys.sorted()) at once")
        }
        if hasRivalWon { note(rival, isHeard: true) }
        if failure == nil { note(change, isHeard: true) }
    }

    private mutating func note(_ change: Change, isHeard: Bool) {
        marks.merge(change.marks) { $1 }
        for table in change.tables { rows[table.name, default: []] += table.proofRows }
        if isHeard { change.owner.marks.merge(change.marks) { $1 } }
    }

    /// Marks in a message: the long ones are shortened.
    private static func shown(_ marks: [String: String]) -> String {
        "\(marks.mapValues { "\($0.prefix(80)) (\($0.utf8.count) bytes)" })"
    }

    /// Returns marks that were never set before. Some are as long as a store has to take.
    private mutating func nextMarks(_ names: [String], _ owner: Owner) -> [String: String] {
        changes += 1
        let rest = changes % 8 == 0 ? String(repeating: "x", count: 64 << 10) : ""
        return Dictionary(
            uniqueKeysWithValues: names.map {
                ($0, "{\"owner\":\"\(owner.number)\",\"change\":\(changes)}\(rest)")
            })
    }
}
