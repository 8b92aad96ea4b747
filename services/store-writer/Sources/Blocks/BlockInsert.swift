import MarketModel
import Primitives
import StoreHTTP
import StoreSinks
import TapeTransport

/// The insert of one block, which may be there already, in whole or in part.
struct BlockInsert {
    private let part: BlockRows.Part
    private let token: String
    /// Who is asked first which rows it has; `nil`: no server has to be.
    private let asked: (any TokenServer)?
    /// Nothing is sent later.
    private let until: MonotonicTime
    private let frame: IntentTenure.Frame
    private var sends: AnsweredSends { frame.sends }

    init(
        _ part: BlockRows.Part, token: String, isRepeat: Bool, until: MonotonicTime,
        _ frame: IntentTenure.Frame
    ) {
        self.part = part
        self.token = token
        asked = isRepeat ? frame.server as? any TokenServer : nil
        self.until = until
        self.frame = frame
    }

    /// Inserts the rows that are not there. Adds those that the server refuses. Returns why the
    /// server has other rows; `nil`: it has these.
    ///
    /// Where a part of the rows is there, or is refused, the block is divided. It is divided in the
    /// same way each time, with the same tokens, so a repeat that arrives late is recognised.
    func run(_ refused: inout [RefusedTick]) throws(StoreError) -> String? {
        let isRepeat = asked != nil
        let keys = asked?.keys(of: part.block) ?? []
        var there: Set<BlockKey> = []
        if isRepeat {
            let found = try stored()
            there = Set(found)
            if let reason = difference(found, keys) { return reason }
        }
        var search = Bisection(count: part.block.rowCount)
        var isSent = false
        while let range = search.next {
            let present = isRepeat ? range.count { there.contains(keys[$0]) } : 0
            if present == range.count {
                search.good()
            } else if present > 0 {
                search.bad()
            } else if let error = try send(range) {
                try refuse(range, error, &refused)
                search.bad()
            } else {
                isSent = true
                search.good()
            }
        }
        // The server may have dropped as a repeat what a person has deleted since.
        guard isRepeat, isSent else { return nil }
        let missing = keys.enumerated().filter { !search.found.contains($0.offset) }
        let found = try stored()
        let left = Set(missing.map(\.element)).subtracting(found)
        if let key = left.first {
            return "the server drops \(left.count) rows of \(part.block.tableName) as a repeat "
                + "and does not have them, such as \(key.source) \(key.ordinal): were rows deleted?"
        }
        return difference(found, keys)
    }

    /// Returns why these rows of the range are others than those of the block.
    private func difference(_ found: [BlockKey], _ keys: [BlockKey]) -> String? {
        let strange = Set(found).subtracting(keys)
        let name = part.block.tableName
        if let key = strange.first {
            return "\(name) has a row \(key.source) \(key.ordinal) that the batch has not"
        }
        // Gaps of one batch may begin at one ordinal.
        guard Set(found).count == found.count || part.sink == nil else {
            return "\(name) has rows of the batch twice"
        }
        return nil
    }

    /// Sends some rows. Returns the error when the server refuses one of them.
    private func send(_ range: Range<Int>) throws(StoreError) -> StoreServerError? {
        let isWhole = range.count == part.block.rowCount
        let token = isWhole ? token : "\(token)/\(range.lowerBound)-\(range.upperBound)"
        if let known = sends.error(of: token) { return known }
        // Where the server is asked what it has, that is right, and not what it once took.
        let isAsking = frame.server is any TokenServer
        if !isAsking, sends.isStored(token) { return nil }
        guard frame.now() < until else {
            throw .failed(
                StoreError.Failure(
                    category: .retryable,
                    cause: IntentFailure(
                        description: "the process was paused or slow before an insert at "
                            + "\(frame.server.peer), so it claims again")))
        }
        do throws(StoreServerError) {
            try frame.server.insert(part.block.rows(range), token: token)
            if !isAsking { sends.store(token) }
            return nil
        } catch {
            // One that is too large is divided, too.
            guard error.fault == .rows || error.fault == .tooLarge && range.count > 1 else {
                throw error.asStoreError
            }
            guard sends.refuse(token, error) else {
                throw withheld(
                    "more than \(AnsweredSends.refusedMax) parts of one batch are refused", error)
            }
            return error
        }
    }

    /// Notes a single row that is refused.
    private func refuse(
        _ range: Range<Int>, _ error: StoreServerError, _ refused: inout [RefusedTick]
    ) throws(StoreError) {
        guard range.count == 1 else { return }
        guard let sink = part.sink else {
            throw withheld("rows that name what is missing are refused", error)
        }
        guard refused.count < frame.lettersMax else {
            throw withheld(
                "more than \(frame.lettersMax) rows of one batch are refused "
                    + "(WRITER_DEAD_LETTERS_MAX)", error)
        }
        let origin = part.origins[range.lowerBound]
        refused.append(
            RefusedTick(
                item: origin.item, ordinal: origin.ordinal, sink: sink, reason: .data,
                refusal: DeadLetter.Refusal(message: error.description)))
    }

    /// Nothing is set aside. When the table is mended, all is sent again.
    private func withheld(_ reason: String, _ error: StoreServerError) -> StoreError {
        sends.forget()
        return .withheld(
            StoreError.Withheld(
                operation: "write rows", peer: frame.server.peer, remedy: .mendTable,
                reason: "\(reason), mend the table \(part.block.tableName); the last refusal: "
                    + "\(error)", table: part.sink))
    }

    private func stored() throws(StoreError) -> [BlockKey] {
        guard let asked else { return [] }
        do throws(StoreServerError) {
            return try asked.stored(part.block, of: frame.place)
        } catch {
            throw error.asStoreError
        }
    }
}
