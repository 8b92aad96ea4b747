import StoreSinks

extension SinkCatalogue {
    /// Returns the name of the sink that fills a table of `tables`.
    func name(ofTable table: Int) -> SinkName {
        // Bars are the one sink with further tables.
        table < sinks.count ? sinks[table].name : .bars
    }
}
