/// One subscription of reqMktDepth, with the book as the client should have it now. Rows form a
/// list: an insert moves the later rows down, a delete moves them up.
struct DepthSubscription: Sendable {
    private struct Row {
        var price: Int64
        var size: Int64
        var maker: Int
    }

    let request: Int32
    let instrument: Int
    let isSmart: Bool
    let hasMakers: Bool
    let rowsMax: Int
    var isHalted = false
    var isToldOfCompetition = false
    private var sides: [[Row]] = [[], []]
    private var level: Int64 = 0

    init(
        request: Int32, instrument: Int, isSmart: Bool, hasMakers: Bool, rows: Int
    ) {
        self.request = request
        self.instrument = instrument
        self.isSmart = isSmart
        self.hasMakers = hasMakers
        rowsMax = min(max(rows, 1), SimulatorLimits.depthRowsMax)
    }

    /// Fills the book from the best row on. The client's book must be empty.
    mutating func fill(
        level: Int64, bits: UInt64, _ quoted: SimulatedInstrument, _ version: Int32
    ) -> [DepthChange] {
        self.level = level
        sides = [[], []]
        var changes: [DepthChange] = []
        for row in 0..<rowsMax {
            for side in 0..<2 {
                let distance = Int64(row / 2 + 1)
                let new = Row(
                    price: side == 1 ? level - distance : level + distance,
                    size: Int64(bits >> UInt64(row) & 15) * 100 + 100,
                    maker: Int(bits >> UInt64(row + side) & 3))
                sides[side].append(new)
                changes.append(change(.insert, row, side, quoted, version))
            }
        }
        return changes
    }

    mutating func move(
        level: Int64, bits: UInt64, _ quoted: SimulatedInstrument, _ version: Int32
    ) -> [DepthChange] {
        if abs(level - self.level) > 3 { return shift(to: level, quoted, version) }
        let side = Int(bits & 1)
        let count = sides[side].count
        guard count > 0 else { return [] }
        let row = Int(bits >> 8) % count
        let size = Int64(bits >> 24 & 31) * 100 + 100
        switch bits >> 1 & 7 {
        case 0 where count > max(1, rowsMax / 2):
            sides[side].remove(at: row)
            return [deleted(row, side)]
        case 1:
            var changes: [DepthChange] = []
            if count >= rowsMax {
                sides[side].removeLast()
                changes.append(deleted(count - 1, side))
            }
            let place = min(row, sides[side].count)
            let price = sides[side].isEmpty ? level : sides[side][max(0, place - 1)].price
            sides[side].insert(
                Row(price: price, size: size, maker: Int(bits >> 32 & 3)), at: place)
            return changes + [change(.insert, place, side, quoted, version)]
        default:
            sides[side][row].size = size
            return [change(.update, row, side, quoted, version)]
        }
    }

    /// Changes the price of every row.
    private mutating func shift(
        to level: Int64, _ quoted: SimulatedInstrument, _ version: Int32
    ) -> [DepthChange] {
        let way = level - self.level
        self.level = level
        var changes: [DepthChange] = []
        for side in 0..<2 {
            for row in sides[side].indices {
                sides[side][row].price += way
                changes.append(change(.update, row, side, quoted, version))
            }
        }
        return changes
    }

    private func deleted(_ row: Int, _ side: Int) -> DepthChange {
        DepthChange(
            row: row, operation: .delete, isBid: side == 1, maker: hasMakers ? "" : nil,
            isSmart: isSmart)
    }

    private func change(
        _ operation: DepthChange.Operation, _ row: Int, _ side: Int,
        _ quoted: SimulatedInstrument, _ version: Int32
    ) -> DepthChange {
        let entry = sides[side][row]
        let name = isSmart ? SimulatedInstrument.exchanges[entry.maker].name : "MM\(entry.maker)"
        return DepthChange(
            row: row, operation: operation, isBid: side == 1,
            price: quoted.priceText(entry.price),
            size: quoted.sizeText(entry.size, version: version, isPast: false),
            maker: hasMakers ? name : nil, isSmart: isSmart)
    }
}
