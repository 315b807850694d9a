/* See tasklist.h. */
#include "ids/proc/tasklist.h"

#include "hv/errno.h"

#define EXIT_DEAD  16u /* Linux: include/linux/sched.h */
#define MARK_EVERY 16u
#define BACK_MAX   24u /* a list that changes faster than it can be walked */

struct link { /* struct list_head */
	uint64_t next, prev;
};

int tasklist_init(struct tasklist *w, const struct kernel *k)
{
	uint64_t init = kernel_symbol(k, "init_task");
	int64_t tasks = kernel_offset(k, "task_struct", "tasks");
	int64_t pid = kernel_offset(k, "task_struct", "pid");
	int64_t tgid = kernel_offset(k, "task_struct", "tgid");
	int64_t exit_state = kernel_offset(k, "task_struct", "exit_state");
	if (!init || tasks < 0 || pid < 0 || tgid < 0 || exit_state < 0)
		return -ENOENT;
	*w = (struct tasklist){
		.space = kernel_space(k),
		.head = init + (uint64_t)tasks,
		.tasks = (uint32_t)tasks,
		.pid = (uint32_t)pid,
		.tgid = (uint32_t)tgid,
		.exit_state = (uint32_t)exit_state,
	};
	tasklist_begin(w);
	return 0;
}

void tasklist_begin(struct tasklist *w)
{
	w->at = (struct tasklist_mark){.at = w->head};
	w->marks = w->met = w->back = 0;
	w->trap = 0;
	w->trap_next = 1;
}

static bool read_link(const struct tasklist *w, uint64_t at, struct link *link)
{
	return !(at & 7) && !gspace_read(w->space, at, link, sizeof(*link));
}

/* Is an element that was met still in the list? Both neighbours lead to it; or, because a rootkit
 * that unlinks a task may leave the ways back of its neighbours wrong for ever, it is the same task
 * and was not released (which makes it EXIT_DEAD first). What it is linked to by `next` is all that
 * the kernel's own walkers follow. */
static bool linked(const struct tasklist *w, const struct tasklist_mark *mark)
{
	uint64_t task = mark->at - w->tasks;
	struct link own, next, prev;
	uint32_t exit_state;
	int32_t pid;
	if (mark->at == w->head)
		return true;
	if (read_link(w, mark->at, &own) && read_link(w, own.next, &next) &&
	    next.prev == mark->at && read_link(w, own.prev, &prev) && prev.next == mark->at)
		return true;
	return !gspace_read(w->space, task + w->pid, &pid, sizeof(pid)) && pid == mark->pid &&
	       !gspace_u32(w->space, task + w->exit_state, &exit_state) && exit_state != EXIT_DEAD;
}

/* Go back to the last element that is still linked. False: this happens too often. */
static bool go_back(struct tasklist *w)
{
	if (++w->back > BACK_MAX)
		return false;
	while (w->marks && !linked(w, &w->mark[w->marks - 1]))
		w->marks--;
	w->at = w->marks ? w->mark[w->marks - 1] : (struct tasklist_mark){.at = w->head};
	/* What comes now was met before and is no loop. */
	w->trap = 0;
	w->trap_next = w->met + 1;
	return true;
}

/* When there is no room, every second is given up; the first stays: the oldest tasks live longest.
 */
static void put_mark(struct tasklist *w)
{
	if (w->marks == TASKLIST_MARKS) {
		w->marks = TASKLIST_MARKS / 2;
		for (uint32_t i = 0; i < w->marks; i++)
			w->mark[i] = w->mark[2 * i];
	}
	w->mark[w->marks++] = w->at;
}

/* Did we come here before? */
static bool is_loop(struct tasklist *w, uint64_t at)
{
	if (at == w->trap)
		return true;
	if (w->met >= w->trap_next) {
		w->trap = at;
		w->trap_next = w->met * 2;
	}
	return false;
}

enum tasklist_result tasklist_step(struct tasklist *w, uint32_t count,
				   void (*met)(void *ctx, const struct tasklist_task *task),
				   void *ctx)
{
	/* Time has passed: what was met last may have been freed. */
	if (!linked(w, &w->at) && !go_back(w))
		return TASKLIST_BROKEN;
	while (count--) {
		struct link link, next;
		struct tasklist_task task;
		/* The next one says that it comes after another: perhaps the one where we stand has
		 * left, or its neighbour is just coming or going. */
		if (!read_link(w, w->at.at, &link) || !read_link(w, link.next, &next) ||
		    (next.prev != w->at.at && !linked(w, &w->at))) {
			if (!go_back(w))
				return TASKLIST_BROKEN;
			continue;
		}
		if (link.next == w->head)
			return TASKLIST_END;
		if (w->met++ >= TASKLIST_MAX || is_loop(w, link.next))
			return TASKLIST_BROKEN;
		task.va = link.next - w->tasks;
		if (gspace_read(w->space, task.va + w->pid, &task.pid, sizeof(task.pid)) ||
		    gspace_read(w->space, task.va + w->tgid, &task.tgid, sizeof(task.tgid)))
			return TASKLIST_BROKEN;
		w->at = (struct tasklist_mark){.at = link.next, .pid = task.pid};
		met(ctx, &task);
		if (w->met % MARK_EVERY == 0)
			put_mark(w);
	}
	return TASKLIST_MORE;
}

uint64_t tasklist_before(const struct tasklist *w, uint64_t task)
{
	struct link own, prev;
	if (!read_link(w, task + w->tasks, &own) || !read_link(w, own.prev, &prev) ||
	    prev.next != task + w->tasks)
		return 0;
	return own.prev - w->tasks;
}
