internal import MarketModel
internal import StreamCore

extension BarLeaves {
    func extent(_ leaf: Int, of range: DirtyRange) -> (from: Int64, to: Int64) {
        let slot = plans[leaf].slot
        return switch plans[leaf].maker {
        case .time: time[slot].extent(of: range)
        case .number: number[slot].extent(of: range)
        case .inactivity: inactivity[slot].extent(of: range)
        }
    }

    /// The same machines without windows, for the ticks of these ranges.
    func repairLeaves(for ranges: [DirtyRange]) -> BarLeaves {
        var leaves = self
        for slot in time.indices { leaves.time[slot] = time[slot].repairMachine(for: ranges) }
        for slot in number.indices {
            leaves.number[slot] = number[slot].repairMachine(for: ranges)
        }
        for slot in inactivity.indices {
            leaves.inactivity[slot] = inactivity[slot].repairMachine(for: ranges)
        }
        return leaves
    }

    mutating func absorb(
        _ repaired: BarLeaves, _ leaf: Int, _ ranges: [DirtyRange], into closed: inout [Bar]
    ) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].absorb(repaired.time[slot], ranges, into: &closed)
        case .number: number[slot].absorb(repaired.number[slot], ranges, into: &closed)
        case .inactivity:
            inactivity[slot].absorb(repaired.inactivity[slot], ranges, into: &closed)
        }
    }
}
