import Primitives
import StoreSinks
import TapeCodec

extension WriteBatch {
    /// Returns the days of the batch's rows, whether or not they exist in the database.
    func days(_ catalogue: SinkCatalogue, _ series: SeriesTables) -> Set<TableDay> {
        var found: Set<TableDay> = []
        visitDays(catalogue, series) { _, day in found.insert(day) }
        return found
    }

    /// Returns the inputs that have rows on one of these days.
    func inputs(
        on days: Set<TableDay>, _ catalogue: SinkCatalogue, _ series: SeriesTables
    ) -> Set<Int> {
        var found: Set<Int> = []
        visitDays(catalogue, series) { item, day in
            if days.contains(day) { found.insert(items[item].input) }
        }
        return found
    }

    /// Returns the series of its bars that are not known yet.
    func unknownSeries(_ series: SeriesTables) -> Set<SeriesTables.Candidate> {
        var found: Set<SeriesTables.Candidate> = []
        for index in items.indices
        where items[index].header.kind == .bars && isFor(.bars, item: index) {
            walk(item: index) { context, record, _, _ in
                if let candidate = series.unknown(record, context) { found.insert(candidate) }
            }
        }
        return found
    }

    /// Visits each day of each item at least once. Most rows are of the same day as the row before
    /// in their table, which costs two comparisons and no visit.
    private func visitDays(
        _ catalogue: SinkCatalogue, _ series: SeriesTables,
        _ visit: (_ item: Int, TableDay) -> Void
    ) {
        // By table, the day of its last row in this item, as a range of nanoseconds since 1970.
        var last = [Range<Int64>](repeating: 0..<0, count: catalogue.tables.count)
        var lastItem = -1
        walk { item, context, record, _, packet in
            if item != lastItem {
                for table in last.indices { last[table] = 0..<0 }
                lastItem = item
            }
            guard let sink = catalogue.index(of: record),
                isFor(catalogue.sinks[sink].name, item: item),
                let time = catalogue.sinks[sink].time(record, context, packet)?.storable
            else { return }
            let table = catalogue.table(sink, of: record, context, series)
            if last[table].contains(time.nanoseconds) { return }
            let start = time.floored(toNanoseconds: TableDay.nanoseconds).nanoseconds
            let (end, isTooLate) = start.addingReportingOverflow(TableDay.nanoseconds)
            last[table] = start..<(isTooLate ? .max : end)
            visit(item, TableDay(table: table, number: start / TableDay.nanoseconds))
        }
    }
}
