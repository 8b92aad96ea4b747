// The target and the columns of a sink's COPY.
extension Sink {
    /// The table that gets its rows: its own, or a staging table.
    package var copyTarget: String {
        String(copy.split(whereSeparator: \.isWhitespace).dropFirst().first ?? "")
    }

    /// The names of the columns that a row has, in order.
    package var copyColumns: [String] {
        guard let open = copy.firstIndex(of: "("), let close = copy[open...].firstIndex(of: ")")
        else { return [] }
        return copy[copy.index(after: open)..<close]
            .split { $0 == "," || $0.isWhitespace }.map(String.init)
    }

    /// The names of the columns of a row in other stores than PostgreSQL, in order: the last one is
    /// when the tape had taken it. PostgreSQL has that of ticks by ranges of ordinals
    /// (`stored_stretches`).
    package var storeColumns: [String] {
        let own = copyColumns
        return own.contains(Self.takenAt) ? own : own + [Self.takenAt]
    }

    package static let takenAt = "taken_at"
}
