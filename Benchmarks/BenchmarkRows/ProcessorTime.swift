import Glibc

/// Returns the processor time that this thread has used. Other processes of a shared machine do not
/// matter.
package func processorTime() -> Duration {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}
