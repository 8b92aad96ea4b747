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
}
