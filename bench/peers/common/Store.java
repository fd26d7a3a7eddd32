import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * Work W1 for one store, by order of arrival: the newest 50, the count of 10 minutes, the number of open orders. Times of the window, in
 * chunks of 5 s, and ids of open orders are kept in keyed state of the engine, so that an update touches little.
 */
public class Store {
  static final long WINDOW = 600_000, CHUNK = 5_000;

  public interface Chunks {
    long[] get(long chunk) throws Exception;
    void put(long chunk, long[] times) throws Exception;
    void remove(long chunk) throws Exception;
  }

  public interface Open {
    boolean has(String order) throws Exception;
    void add(String order) throws Exception;
    void remove(String order) throws Exception;
  }

  public long newest = Long.MIN_VALUE, lowest;
  public int count, open, seen;
  public double[] last = new double[50];

  public void update(Order order, Chunks chunks, Open orders) throws Exception {
    last[seen++ % 50] = order.prepSeconds;
    if (newest == Long.MIN_VALUE) lowest = (order.time - WINDOW) / CHUNK;
    if (order.time > newest) {
      newest = order.time;
      forget(newest - WINDOW, chunks);
    }
    if (order.time > newest - WINDOW) {
      long chunk = order.time / CHUNK;
      long[] times = chunks.get(chunk);
      long[] more = times == null ? new long[1] : Arrays.copyOf(times, times.length + 1);
      more[more.length - 1] = order.time;
      chunks.put(chunk, more);
      count++;
    }
    if (order.type == Order.CREATED && !orders.has(order.orderId)) {
      orders.add(order.orderId);
      open++;
    } else if (order.type == Order.PICKED && orders.has(order.orderId)) {
      orders.remove(order.orderId);
      open--;
    }
  }

  private void forget(long until, Chunks chunks) throws Exception {
    long edge = until / CHUNK;
    if (count > 0) {
      for (long chunk = lowest; chunk < edge; chunk++) {
        long[] times = chunks.get(chunk);
        if (times == null) continue;
        count -= times.length;
        chunks.remove(chunk);
      }
      long[] times = chunks.get(edge);
      if (times != null) {
        long[] left = Arrays.stream(times).filter(time -> time > until).toArray();
        count -= times.length - left.length;
        if (left.length == 0) chunks.remove(edge);
        else if (left.length < times.length) chunks.put(edge, left);
      }
    }
    lowest = edge;
  }

  public String json(String id) {
    int n = Math.min(seen, 50);
    double mean = 0, variance = 0;
    for (int i = 0; i < n; i++) mean += last[i];
    mean /= n;
    for (int i = 0; i < n; i++) variance += (last[i] - mean) * (last[i] - mean);
    return "{\"storeId\":\"" + id + "\",\"mean\":" + mean + ",\"variance\":" + variance / n + ",\"count10m\":" + count + ",\"open\":" + open + "}";
  }

  byte[] bytes() {
    ByteBuffer to = ByteBuffer.allocate(28 + 400).putLong(newest).putLong(lowest).putInt(count).putInt(open).putInt(seen);
    for (double value : last) to.putDouble(value);
    return to.array();
  }

  static Store of(byte[] bytes) {
    ByteBuffer from = ByteBuffer.wrap(bytes);
    Store store = new Store();
    store.newest = from.getLong();
    store.lowest = from.getLong();
    store.count = from.getInt();
    store.open = from.getInt();
    store.seen = from.getInt();
    for (int i = 0; i < 50; i++) store.last[i] = from.getDouble();
    return store;
  }
}
